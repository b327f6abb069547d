# SPDX-License-Identifier: MIT
# work.pl SCALE: hashes, strings, sorting, substitution; prints checksums.
use strict;
use warnings;

my $scale = $ARGV[0];
my $seed = 12345;

sub random { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return ($seed >> 16) % $_[0]; }

# hashes of arrays of hashes
my %people;
for my $i (1 .. int(70000 * $scale)) {
	my $name = "name" . random(7000);
	push @{ $people{$name} }, { id => $i, mail => "$name\@host" . random(99) . ".example", words => [ map { "w$_" } 1 .. random(6) ] };
	delete $people{ "name" . random(7000) } if $i % 5 == 0;
}
my $ids = 0;
for my $name (sort keys %people) {
	$ids = ($ids * 31 + $_->{id} + @{ $_->{words} }) % 1000003 for @{ $people{$name} };
}
print "people ", scalar(keys %people), " $ids\n";

# strings: join, split, substitute, reverse
my @lines = map { join ",", map { random(100000) } 1 .. 1 + random(12) } 1 .. int(60000 * $scale);
my %seen;
for my $line (@lines) {
	(my $other = $line) =~ s/(\d)(\d+)/$2-$1/g;
	$seen{$_}++ for split /[,-]/, $other;
	$other = reverse $other;
}
print "pieces ", scalar(keys %seen), "\n";

# sorting by a computed key
my @sorted = map { $_->[1] } sort { $a->[0] <=> $b->[0] || $a->[1] cmp $b->[1] } map { [ length, $_ ] } @lines;
my $sum = 0;
$sum = ($sum * 17 + length($sorted[$_]) * $_) % 1000003 for 0 .. $#sorted;
print "sorted $sum\n";

# one long string that is built, cut and matched
my $text = "";
$text .= "<p id='$_'>" . ("x" x random(80)) . "</p>\n" for 1 .. int(40000 * $scale);
my $paragraphs = () = $text =~ m{<p id='\d+'>x*</p>}g;
substr($text, random(1000), 20, "y" x random(40)) for 1 .. 500;
print "text $paragraphs ", length($text), "\n";
