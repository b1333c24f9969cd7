/*
 * glyphs.h: letters for pictures, without a font library.
 */
#ifndef HOLOG_TOOLS_GLYPHS_H
#define HOLOG_TOOLS_GLYPHS_H

#include <stdint.h>

#define GLYPH_WIDTH  5
#define GLYPH_HEIGHT 8

/* GLYPH_WIDTH columns; dot y of a column is its bit y. What is not printable ASCII is a box. */
const uint8_t *glyph_of(char c);

#endif
