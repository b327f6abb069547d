/* SPDX-License-Identifier: MIT */
/*
 * Invariants:
 *   bit b of nonempty is set  <=>  bins[b] != NULL
 *   every member m of bins[b]: bin_floor(m->n_pages) == b
 *   treap: left < node < right by address, and no child has a higher priority than its parent
 *   n_pages == sum of the members' n_pages
 */
#include "core/rangeset.h"

static unsigned bin_floor(size_t n_pages)
{
	unsigned log, bin;

	if (n_pages < 8)
		return (unsigned)n_pages;
	log = hs_log2(n_pages);
	bin = (log - 2) * 8 + (unsigned)((n_pages >> (log - 3)) & 7);
	return bin < HS_RANGE_BINS ? bin : HS_RANGE_BINS - 1;
}

/* Pseudo-random and constant for an address, so no word is needed to keep it. */
static uint64_t priority(const struct hs_span *s)
{
	return ((uintptr_t)s->base >> HS_PAGE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);
}

static void split(struct hs_span *root, const char *at, struct hs_span **ret_low, struct hs_span **ret_high)
{
	while (root != NULL) {
		if (root->base < at) {
			*ret_low = root;
			ret_low = &root->right;
			root = root->right;
		} else {
			*ret_high = root;
			ret_high = &root->left;
			root = root->left;
		}
	}
	*ret_low = *ret_high = NULL;
}

static struct hs_span *merge(struct hs_span *low, struct hs_span *high)
{
	struct hs_span *root = NULL, **at = &root;

	while (low != NULL && high != NULL) {
		if (priority(low) >= priority(high)) {
			*at = low;
			at = &low->right;
			low = low->right;
		} else {
			*at = high;
			at = &high->left;
			high = high->left;
		}
	}
	*at = low != NULL ? low : high;
	return root;
}

void hs_rangeset_insert(struct hs_rangeset *set, struct hs_span *span)
{
	unsigned bin = bin_floor(span->n_pages);
	struct hs_span **at = &set->bins[bin];

	while (*at != NULL && priority(*at) >= priority(span))
		at = span->base < (*at)->base ? &(*at)->left : &(*at)->right;
	split(*at, span->base, &span->left, &span->right);
	*at = span;
	set->nonempty[bin / 64] |= (uint64_t)1 << (bin % 64);
	set->n_pages += span->n_pages;
}

void hs_rangeset_remove(struct hs_rangeset *set, struct hs_span *span)
{
	unsigned bin = bin_floor(span->n_pages);
	struct hs_span **at = &set->bins[bin];

	while (*at != span) {
		hs_assert(*at != NULL);
		at = span->base < (*at)->base ? &(*at)->left : &(*at)->right;
	}
	*at = merge(span->left, span->right);
	span->left = span->right = NULL;
	if (set->bins[bin] == NULL)
		set->nonempty[bin / 64] &= ~((uint64_t)1 << (bin % 64));
	set->n_pages -= span->n_pages;
}

static struct hs_span *leftmost(struct hs_span *root)
{
	while (root != NULL && root->left != NULL)
		root = root->left;
	return root;
}

struct hs_span *hs_rangeset_find(const struct hs_rangeset *set, size_t n_pages)
{
	unsigned bin = bin_floor(n_pages);
	struct hs_span *own = leftmost(set->bins[bin]);

	/* members of the request's own bin may be smaller than the request; one look is enough in practice */
	if (own != NULL && own->n_pages >= n_pages)
		return own;
	if (own != NULL && set->bins[bin]->n_pages >= n_pages)
		return set->bins[bin];
	for (unsigned b = bin + 1; b < HS_RANGE_BINS; b++) {
		uint64_t word = set->nonempty[b / 64] >> (b % 64);

		if (word == 0) {
			b |= 63;
			continue;
		}
		b += (unsigned)__builtin_ctzll(word);
		own = leftmost(set->bins[b]);
		if (own->n_pages >= n_pages) /* the last bin is open above */
			return own;
	}
	return NULL;
}

static size_t check_tree(const struct hs_span *s, unsigned bin, const char *low, const char *high, size_t *pages)
{
	if (s == NULL)
		return 0;
	hs_verify(bin_floor(s->n_pages) == bin);
	hs_verify(s->base >= low && s->base < high);
	hs_verify(s->left == NULL || priority(s->left) <= priority(s));
	hs_verify(s->right == NULL || priority(s->right) <= priority(s));
	*pages += s->n_pages;
	return 1 + check_tree(s->left, bin, low, s->base, pages) + check_tree(s->right, bin, s->base + 1, high, pages);
}

size_t hs_rangeset_check(const struct hs_rangeset *set)
{
	size_t pages = 0, n = 0;

	for (unsigned b = 0; b < HS_RANGE_BINS; b++) {
		hs_verify((set->bins[b] != NULL) == ((set->nonempty[b / 64] >> (b % 64) & 1) != 0));
		n += check_tree(set->bins[b], b, NULL, (const char *)UINTPTR_MAX, &pages);
	}
	hs_verify(pages == set->n_pages);
	return n;
}
