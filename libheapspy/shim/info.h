/* SPDX-License-Identifier: MIT */
/*
 * info.h - what malloc tells about itself.
 *
 * Layer:   shim/
 */
#ifndef HS_SHIM_INFO_H
#define HS_SHIM_INFO_H

/* A summary in a few lines on descriptor 2; no stdio, no malloc. */
void hs_info_print(void);

#endif /* HS_SHIM_INFO_H */
