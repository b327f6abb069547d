/* SPDX-License-Identifier: MIT */
#include "victim.c"
