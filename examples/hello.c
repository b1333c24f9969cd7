#include <stdio.h>

#include <holog/holog.h>

int main(void)
{
    holog_store *store = NULL;
    holog_value *value = NULL;
    int rc = holog_open("hello.holog", NULL, &store); /* creates it if need be */
    if (rc == HOLOG_OK) /* durable, whatever happens, once this returns */
        rc = holog_save(store, "greetings/en", "hello", 5, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
    if (rc == HOLOG_OK)
        rc = holog_load(store, "greetings/en", &value);
    if (rc == HOLOG_OK)
        printf("%.*s\n", (int)holog_value_size(value), (const char *)holog_value_data(value));
    holog_value_release(value);
    int closed = holog_close(store);
    if (rc < 0 || closed < 0)
        (void)fprintf(stderr, "hello.holog: %s\n", holog_strerror(rc < 0 ? rc : closed));
    return rc < 0 || closed < 0;
}
