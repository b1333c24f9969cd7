/*
 * All short sequences of calls, each cut at each step. Most bugs of this kind need no more than
 * three calls to show.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "kit.h"

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

static const struct step alphabet[] = {
    { .op = STEP_SAVE, .path = "a", .len = 100, .flags = HOLOG_REPLACE },
    { .op = STEP_SAVE, .path = "d/b", .len = 70000, .flags = RP },
    { .op = STEP_SAVE, .path = "d/b", .len = 1500, .flags = RP },
    { .op = STEP_MKDIR, .path = "d", .flags = HOLOG_PARENTS },
    { .op = STEP_DELETE, .path = "a" },
    { .op = STEP_DELETE_ALL, .path = "d" },
    { .op = STEP_MOVE, .path = "a", .to = "c" },
    { .op = STEP_COPY, .path = "d", .to = "e" },
    { .op = STEP_BATCH, .path = "d", .len = 600, .count = 3, .flags = RP },
    { .op = STEP_SYNC },
    { .op = STEP_REOPEN },
    { .op = STEP_SAVE, .path = "a", .len = 900, .flags = HOLOG_REPLACE, .sync = HOLOG_SYNC_NONE },
};
enum {
    LETTERS = sizeof alphabet / sizeof alphabet[0],
    LONGEST = 4
};
static const char letters[LETTERS + 1] = "aBbmdDvceSrw";

struct totals {
    unsigned long sequences, refused, states, bad;
};

/* The steps of a sequence, each with values of its own. 0 when the contract refuses one of them. */
static int make(const unsigned *pick, size_t n, struct step *out, char *name)
{
    struct model m;
    int ok = 1;

    model_init(&m);
    for (size_t i = 0; i < n && ok; i++) {
        out[i] = alphabet[pick[i]];
        out[i].seed = 10000 + i * 100 + pick[i];
        name[i] = letters[pick[i]];
        ok = model_apply(&m, &out[i]) == HOLOG_OK;
    }
    name[n] = 0;
    model_release(&m);
    return ok;
}

static void cut_everywhere(const struct played *p, const char *name, struct totals *t)
{
    static const enum hg_sim_strategy tried[] = { HG_SIM_CRASH_NONE, HG_SIM_CRASH_RANDOM,
                                                  HG_SIM_CRASH_ALL, HG_SIM_CRASH_SECTORS,
                                                  HG_SIM_CRASH_TORN_HEAD };
    static const size_t n_tried[3] = { 1, 1, 3 };
    static const uint64_t strides[3] = { 11, 3, 1 };
    uint64_t rng = kit_seed();

    for (const char *c = name; *c != 0; c++)
        rng = rng * 31 + (unsigned char)*c;
    /* What is in front of the first commit is the same for all: other tests cut it. */
    for (uint64_t step = 60 + rng % strides[kit_level()]; step <= hg_sim_steps(p->sim);
         step += strides[kit_level()] * kit_sparse()) {
        for (size_t k = 0; k < n_tried[kit_level()] && t->bad < 5; k++) {
            enum hg_sim_strategy s = tried[(rng_next(&rng) + k) % 5];
            struct hg_sim *after = NULL;
            uint64_t durable;
            uint64_t submitted;
            int store;
            const char *wrong;
            if (!kit_case("%s step %llu %c", name, (unsigned long long)step, kit_strategy(s)))
                continue;
            cr_assert_eq(hg_sim_crash(p->sim, step, s, step, &after), HOLOG_OK);
            kit_bounds(p, step, &durable, &submitted, &store);
            wrong = kit_check(after, p, durable, submitted, store);
            hg_sim_destroy(after);
            t->states++;
            if (wrong != NULL)
                t->bad += (unsigned long)kit_fail(wrong);
        }
    }
}

static void one(const unsigned *pick, size_t n, struct totals *t)
{
    struct step steps[LONGEST];
    char name[LONGEST + 1];
    struct script script = { .name = name, .steps = steps, .n = n };
    struct hg_sim_options so = { .seed = kit_seed(),
                                 .dirs = n % 2 == 0 ? HG_SIM_DIRS_JOURNAL : HG_SIM_DIRS_POSIX };
    struct played p;

    if (!make(pick, n, steps, name)) {
        t->refused++;
        return;
    }
    kit_play(&script, &so, &p);
    if (p.rc < 0 && kit_case("%s", name))
        t->bad += (unsigned long)kit_fail("fails without a crash");
    if (p.rc == HOLOG_OK)
        cut_everywhere(&p, name, t);
    t->sequences++;
    kit_release(&p);
}

/* All sequences that begin with a letter; split so that they run side by side. */
static void all_from(unsigned first)
{
    static const size_t longest[3] = { 2, 3, 4 };
    struct totals t = { 0 };

    for (size_t n = 1; n <= longest[kit_level()]; n++) {
        unsigned pick[LONGEST] = { first };
        size_t at = 1;
        while (at > 0 && t.bad < 5) {
            one(pick, n, &t);
            for (at = n; --at > 0 && ++pick[at] == LETTERS;)
                pick[at] = 0;
        }
    }
    (void)fprintf(stderr,
                  "from %c: %lu sequences (%lu more are refused), %lu crash states, %lu wrong\n",
                  letters[first], t.sequences, t.refused, t.states, t.bad);
    print_total(t.states, 0, 0, t.bad);
    cr_assert_eq(t.bad, 0);
}

#define FROM(a, b, c, name) \
    Test(sequences, name)   \
    {                       \
        all_from(a);        \
        all_from(b);        \
        all_from(c);        \
    }

FROM(0, 4, 8, that_begin_with_a_small_value_survive_any_cut)
FROM(1, 5, 9, that_begin_with_a_large_value_survive_any_cut)
FROM(2, 6, 10, that_begin_with_a_replacement_survive_any_cut)
FROM(3, 7, 11, that_begin_with_a_directory_survive_any_cut)
