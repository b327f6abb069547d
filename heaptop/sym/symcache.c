/* SPDX-License-Identifier: MIT */
#include "sym/symcache.h"

#include <stdlib.h>
#include <string.h>

#include "sym/symbolize.h"

#define CAPACITY_FIRST 64

static uint64_t hash_text(const char *text)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return h ^ h >> 32;
}

static uint64_t hash_address(uint64_t address)
{
	/* call sites differ in their low bits; the multiplication carries them up, the shift back down */
	address *= UINT64_C(0x9e3779b97f4a7c15);
	return address ^ address >> 32;
}

static size_t string_slot(char *const *slots, size_t capacity, const char *text)
{
	size_t i = hash_text(text) & (capacity - 1);

	while (slots[i] && strcmp(slots[i], text) != 0)
		i = (i + 1) & (capacity - 1);
	return i;
}

/* At most two thirds full, so that a search always ends at an empty slot. */
static bool is_crowded(size_t n, size_t capacity)
{
	return (n + 1) * 3 > capacity * 2;
}

static bool grow_strings(struct ht_strtab *tab)
{
	size_t capacity = tab->capacity ? tab->capacity * 2 : CAPACITY_FIRST;
	char **slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < tab->capacity; i++)
		if (tab->slots[i])
			slots[string_slot(slots, capacity, tab->slots[i])] = tab->slots[i];
	free(tab->slots);
	tab->slots = slots;
	tab->capacity = capacity;
	return true;
}

const char *ht_strtab_intern(struct ht_strtab *tab, const char *text)
{
	size_t i;

	if (!text)
		return NULL;
	if (is_crowded(tab->n, tab->capacity) && !grow_strings(tab))
		return NULL;
	i = string_slot(tab->slots, tab->capacity, text);
	if (!tab->slots[i]) {
		tab->slots[i] = strdup(text);
		if (tab->slots[i])
			tab->n++;
	}
	return tab->slots[i];
}

void ht_strtab_done(struct ht_strtab *tab)
{
	if (!tab)
		return;
	for (size_t i = 0; i < tab->capacity; i++)
		free(tab->slots[i]);
	free(tab->slots);
	*tab = (struct ht_strtab){ 0 };
}

static size_t address_slot(const struct ht_addrcache_entry *slots, size_t capacity, uint64_t address)
{
	size_t i = hash_address(address) & (capacity - 1);

	while (slots[i].frames && slots[i].address != address)
		i = (i + 1) & (capacity - 1);
	return i;
}

static bool grow_addresses(struct ht_addrcache *cache)
{
	size_t capacity = cache->capacity ? cache->capacity * 2 : CAPACITY_FIRST;
	struct ht_addrcache_entry *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < cache->capacity; i++)
		if (cache->slots[i].frames)
			slots[address_slot(slots, capacity, cache->slots[i].address)] = cache->slots[i];
	free(cache->slots);
	cache->slots = slots;
	cache->capacity = capacity;
	return true;
}

const struct ht_addrcache_entry *ht_addrcache_find(const struct ht_addrcache *cache, uint64_t address)
{
	const struct ht_addrcache_entry *entry;

	if (!cache->capacity)
		return NULL;
	entry = &cache->slots[address_slot(cache->slots, cache->capacity, address)];
	return entry->frames ? entry : NULL;
}

const struct ht_addrcache_entry *ht_addrcache_add(struct ht_addrcache *cache, uint64_t address,
						  const struct ht_sym_frame *frames, size_t n_frames)
{
	struct ht_addrcache_entry *entry;
	struct ht_sym_frame *copy;

	if (is_crowded(cache->n, cache->capacity) && !grow_addresses(cache))
		return NULL;
	copy = calloc(n_frames, sizeof(*copy));
	if (!copy)
		return NULL;
	memcpy(copy, frames, n_frames * sizeof(*copy));
	entry = &cache->slots[address_slot(cache->slots, cache->capacity, address)];
	if (entry->frames)
		free(entry->frames);
	else
		cache->n++;
	*entry = (struct ht_addrcache_entry){ .address = address, .frames = copy, .n_frames = n_frames };
	return entry;
}

void ht_addrcache_done(struct ht_addrcache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->capacity; i++)
		free(cache->slots[i].frames);
	free(cache->slots);
	*cache = (struct ht_addrcache){ 0 };
}
