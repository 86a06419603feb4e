/* What the programs of all engines share. `eng.h` is generated: `lowlift bindgen … --prefix eng`. */
#ifndef BOARD_H
#define BOARD_H

#include "eng.h"

/* A file as bytes, or NULL. There is one place for it. */
uint8_t *load(const char *path, size_t *size);

#endif
