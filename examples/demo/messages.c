#include "messages.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct message) <= PIPE_BUF, "a message goes through a pipe in one piece");

int message_send(int fd, const struct message *m)
{
    ssize_t n = 0;

    do {
        n = write(fd, m, sizeof(*m));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*m) ? 0 : HOLOG_E_IO;
}

int message_fail(int fd, int code, const char *what)
{
    struct message m = { .kind = MESSAGE_FAILED };
    struct holog_error_detail detail = { 0 };

    holog_last_error(&detail);
    if (detail.code != code) /* the code did not come from the library's last call */
        detail.message[0] = '\0';
    (void)snprintf(m.text, sizeof(m.text), "%s: %s (%s) %.300s", what, holog_error_name(code),
                   holog_strerror(code), detail.message); /* cut short is good enough */
    (void)message_send(fd, &m);                           /* nobody listens: nothing to tell */
    return 1;
}

int progress_read(holog_store *store, unsigned *out_next)
{
    static const char start[] = "next ";
    holog_value *value = NULL;
    char text[32] = { 0 };
    int rc = holog_load(store, PLATE_PROGRESS_PATH, &value);

    if (rc == HOLOG_E_NOENT) {
        *out_next = 0;
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    if (holog_value_size(value) < sizeof(text))
        memcpy(text, holog_value_data(value), holog_value_size(value));
    holog_value_release(value);
    char *end = NULL;
    unsigned long next = strtoul(text + strlen(start), &end, 10);
    if (strncmp(text, start, strlen(start)) != 0 || end == NULL || *end != '\n' || next > UINT_MAX)
        return HOLOG_E_TYPE;
    *out_next = (unsigned)next;
    return HOLOG_OK;
}
