/* SPDX-License-Identifier: MIT */
/* list - every insertion and removal keeps the ring whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/prng.h"

#define N 32u

struct item {
	unsigned id;
	struct hs_list link;
};

static unsigned check(const struct hs_list *head)
{
	unsigned n = 0;

	for (const struct hs_list *l = head; l->next != head; l = l->next, n++) {
		assert_ptr_equal(l->next->prev, l);
		assert_true(n <= N);
	}
	assert_ptr_equal(head->prev->next, head);
	return n;
}

static unsigned id_at(struct hs_list *l)
{
	return hs_container_of(l, struct item, link)->id;
}

static void test_order(void **state)
{
	struct hs_list head;
	struct item a = {.id = 1}, b = {.id = 2}, c = {.id = 3};

	hs_list_init(&head);
	assert_true(hs_list_empty(&head));
	hs_list_push_back(&head, &b.link);
	hs_list_push_back(&head, &c.link);
	hs_list_push_front(&head, &a.link);
	assert_int_equal(check(&head), 3);
	assert_int_equal(id_at(head.next), 1);
	assert_int_equal(id_at(head.next->next), 2);
	assert_int_equal(id_at(head.prev), 3);
	hs_list_remove(&b.link);
	assert_int_equal(check(&head), 2);
	assert_ptr_equal(b.link.next, &b.link);
	hs_list_remove(&b.link); /* twice is harmless */
	assert_int_equal(check(&head), 2);
	hs_list_remove(&a.link);
	hs_list_remove(&c.link);
	assert_true(hs_list_empty(&head));
}

static void test_random(void **state)
{
	struct item items[N];
	struct hs_list head;
	bool in[N] = {0};
	unsigned n = 0;
	struct hs_prng prng;

	hs_prng_init(&prng, 3);
	hs_list_init(&head);
	for (unsigned i = 0; i < N; i++)
		items[i].id = i;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned k = hs_prng_next(&prng) % N;

		if (in[k])
			hs_list_remove(&items[k].link);
		else if (i % 2 == 0)
			hs_list_push_front(&head, &items[k].link);
		else
			hs_list_push_back(&head, &items[k].link);
		in[k] = !in[k];
		n += in[k] ? 1 : -1u;
		assert_int_equal(check(&head), n);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
