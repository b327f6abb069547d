/* SPDX-License-Identifier: MIT */
/*
 * screen.h - the interactive screen without a terminal: keys in, canvas out.
 *
 * Layer:   views/
 * Memory:  ht_screen_done() frees what the screen built; data of the frame belong to the caller
 */
#ifndef HT_VIEWS_SCREEN_H
#define HT_VIEWS_SCREEN_H

#include "views/view.h"

/* What the loop has to do after a key; everything else the screen has done itself. */
enum ht_request {
	HT_REQ_NONE,
	HT_REQ_QUIT,
	HT_REQ_REDRAW,	/* send every cell */
	HT_REQ_REFRESH, /* pause ended or interval changed: new data now */
	HT_REQ_WSS,	/* measure the working set */
	HT_REQ_WSS_CANCEL,
	HT_REQ_ATTACH, /* to choices[screen->chosen] */
};

void ht_screen_init(struct ht_screen *screen);
void ht_screen_done(struct ht_screen *screen);

/* New data; the pointers must stay good until the next call.  `findings` and `sym` may be NULL. */
void ht_screen_set_frame(struct ht_screen *screen, const struct ht_model *model, const struct ht_findings *findings,
			 struct ht_sym *sym);
/* The processes that the chooser offers. */
void ht_screen_set_choices(struct ht_screen *screen, const struct ht_list_entry *choices, size_t n);
/* Goes to a view by name ("sites"); false if there is none. */
bool ht_screen_show(struct ht_screen *screen, const char *view);
/* Sorts the present view by a column; false if it has none of that id. */
bool ht_screen_sort(struct ht_screen *screen, const char *column);
/* A line at the bottom until the next key. */
void ht_screen_say(struct ht_screen *screen, enum ht_role role, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

enum ht_request ht_screen_key(struct ht_screen *screen, int key);
/* Draws the whole canvas. */
void ht_screen_draw(struct ht_screen *screen, struct ht_canvas *canvas);

#endif /* HT_VIEWS_SCREEN_H */
