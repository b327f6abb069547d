/* SPDX-License-Identifier: MIT */
/*
 * commands.h - the commands that look at no single target: list and prune.
 *
 * Layer:   cli (uses out/, seg/, util/)
 */
#ifndef HT_COMMANDS_H
#define HT_COMMANDS_H

#include "cli.h"
#include "util/err.h"

int ht_command_list(const struct ht_options *o, struct ht_err *reterr);
int ht_command_prune(const struct ht_options *o, struct ht_err *reterr);

#endif /* HT_COMMANDS_H */
