# SPDX-License-Identifier: MIT
"""generate.py: inputs that would be large in the tree: a C++ file for cc1plus and a PostScript file for ghostscript."""

HEADERS = ("algorithm array atomic bitset chrono complex condition_variable deque filesystem forward_list fstream functional "
	"future iomanip iostream iterator limits list locale map memory mutex numeric optional ostream queue random ratio regex "
	"set shared_mutex sstream stack string string_view thread tuple type_traits unordered_map unordered_set utility "
	"valarray variant vector").split()

UNIT = """
namespace unit{i} {{
template <int N> struct Shape {{ std::array<double, N + 1> side; std::string name; std::variant<int, double, std::string> kind; }};
using Index = std::map<std::pair<std::string, Shape<{i}> *>, std::vector<std::unique_ptr<Shape<{i}>>>>;
template <class T, class... Rest> auto total(const T &a, const Rest &...rest)
{{
	if constexpr (sizeof...(rest) == 0)
		return a;
	else
		return a + total(rest...);
}}
std::size_t work(const std::vector<std::string> &words)
{{
	std::unordered_map<std::string, std::tuple<int, double, std::string>> seen;
	Index index;
	std::set<std::string, std::greater<>> ordered(words.begin(), words.end());
	for (const auto &w : words) {{
		auto &[n, x, s] = seen[w];
		n += {i}, x += n / 3.0, s += w;
		auto shape = std::make_unique<Shape<{i}>>();
		shape->kind = n % 2 ? decltype(shape->kind)(s) : decltype(shape->kind)(x);
		auto &row = index[{{w, nullptr}}];
		row.push_back(std::move(shape));
	}}
	std::vector<std::function<double(double)>> steps;
	for (int k = 0; k < {i} % 5 + 2; k++)
		steps.push_back([k, &seen](double x) {{ return x * k + seen.size(); }});
	double y = total(1, 2.5, {i}, 4L);
	for (auto &f : steps)
		y = f(y);
	std::deque<std::list<std::size_t>> nested(3, std::list<std::size_t>(ordered.size()));
	std::sort(nested.begin(), nested.end(), [](const auto &a, const auto &b) {{ return a.size() > b.size(); }});
	std::ostringstream out;
	out << std::setw({i} % 9 + 1) << y << std::regex_replace(std::string("a{i}b"), std::regex("[0-9]+"), "-");
	return out.str().size() + index.size();
}}
}}
"""


def cplusplus(units):
	"""A translation unit that includes most of libstdc++ and instantiates much of it."""
	return "".join(f"#include <{h}>\n" for h in HEADERS) + "".join(UNIT.format(i=i) for i in range(units))


PROLOGUE = """%!PS-Adobe-3.0
/random { rand exch mod } def
/fonts [ /Times-Roman /Helvetica-Bold /Courier /Times-Italic /Palatino-Roman /Bookman-Demi ] def
/words [ (arena) (bin) (chunk) (decay) (extent) (fragment) (granule) (heap) (idle) (junk) (kernel) (large) ] def
"""

PAGE = """
save
1 1 24 {
	/row exch def
	fonts fonts length random get findfont 7 row add 3 div 5 add scalefont setfont
	row 24 div dup 2 div 0.3 setrgbcolor
	30 row 31 mul moveto
	12 { words words length random get show ( ) show } repeat
} for
90 {
	newpath 560 random 20 add 740 random 20 add moveto
	8 { 560 random 740 random 560 random 740 random 560 random 740 random curveto } repeat
	255 random 255 div 255 random 255 div 255 random 255 div setrgbcolor
	closepath gsave 60 random 0 eq { clip newpath } { stroke } ifelse grestore
} repeat
<< /ShadingType 3 /ColorSpace /DeviceRGB /Coords [ 300 400 10 320 420 180 ] /Extend [ false false ]
	/Function << /FunctionType 2 /Domain [ 0 1 ] /C0 [ 1 0.9 0 ] /C1 [ 0 0.2 1 ] /N 1.3 >> >> shfill
gsave 100 100 translate 200 200 scale
64 64 8 [ 64 0 0 -64 0 64 ] { 64 string 0 1 63 { 1 index exch 255 random put } for } false 3 colorimage grestore
/table 2000 dict def
0 1 1999 { dup 20 string cvs cvn exch 40 mod 3 add array table 3 1 roll put } for
/strings [ 0 1 800 { 40 random 8 add string } for ] def
showpage
restore
"""


def postscript(pages):
	"""Text in several fonts, curves, clips, a shading, an image, dictionaries and strings on every page."""
	return PROLOGUE + "".join(f"%%Page: {i} {i}\n{i} srand\n{PAGE}" for i in range(1, pages + 1)) + "%%EOF\n"
