/* SPDX-License-Identifier: MIT */
/*
 * list.h - circular doubly linked list with a head, links inside the members.
 *
 * Invariant of every linked node n: n->next->prev == n && n->prev->next == n.
 *
 * Layer:   base/
 * Locking: the caller's
 */
#ifndef HS_BASE_LIST_H
#define HS_BASE_LIST_H

#include "base/cc.h"

struct hs_list {
	struct hs_list *next, *prev;
};

HS_INLINE void hs_list_init(struct hs_list *head)
{
	head->next = head->prev = head;
}

HS_INLINE bool hs_list_empty(const struct hs_list *head)
{
	return head->next == head;
}

HS_INLINE void hs_list_insert_between(struct hs_list *node, struct hs_list *prev, struct hs_list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

HS_INLINE void hs_list_push_front(struct hs_list *head, struct hs_list *node)
{
	hs_list_insert_between(node, head, head->next);
}

HS_INLINE void hs_list_push_back(struct hs_list *head, struct hs_list *node)
{
	hs_list_insert_between(node, head->prev, head);
}

/* Leaves the node self-linked, so that removing it twice is harmless. */
HS_INLINE void hs_list_remove(struct hs_list *node)
{
	hs_assert(node->next->prev == node && node->prev->next == node);
	node->prev->next = node->next;
	node->next->prev = node->prev;
	hs_list_init(node);
}

#endif /* HS_BASE_LIST_H */
