/*
 * What the programs have in common that make stores for other programs to read: DIR/NAME.json tells of each thing,
 * DIR/N.bin has elements in C order. What fails ends the program, with a message.
 */
#ifndef TESTS_CLIENTS_MAKING_H
#define TESTS_CLIENTS_MAKING_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern FILE *list; /* DIR/NAME.json; made is its next number */
extern unsigned made;

#define OK(call) ok((call), #call)
void ok(int rc, const char *what);
void *memory(size_t bytes); /* zeros */
uint64_t random_bits(void); /* the same in each run */

void list_begin(const char *dir, const char *name);
void list_end(void);
/* Into DIR/made.bin. */
void write_bytes(const void *data, size_t bytes);

#endif
