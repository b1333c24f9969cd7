/* How fast a compaction may go: arithmetic alone. */
#include <criterion/criterion.h>

#include "engine/pace.h"

#define MIB    (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000000)

/* A second of work in pieces of 1 MiB beside commits of so many bytes a second: how many bytes went. */
static uint64_t second_of(struct hg_pace *p, struct hg_pace_facts *f, uint64_t commits)
{
    uint64_t end = f->now_ns + SECOND;
    uint64_t done = 0;

    while (f->now_ns < end) {
        uint64_t wait = hg_pace_take(p, MIB, f);
        uint64_t took = wait + SECOND / 1000; /* a piece takes a millisecond */
        done += MIB;
        f->now_ns += took;
        f->written += commits * took / SECOND;
    }
    return done;
}

static uint64_t settled(uint64_t limit, uint64_t commits, uint64_t left, uint64_t room)
{
    struct hg_pace p = { .limit = limit };
    struct hg_pace_facts f = { .now_ns = 1, .left = left, .room = room };

    for (int i = 0; i < 5; i++)
        (void)second_of(&p, &f, commits);
    return second_of(&p, &f, commits);
}

Test(pace, a_limit_that_was_set_is_kept)
{
    uint64_t done = settled(20 * MIB, 500 * MIB, 512 * MIB, MIB);

    cr_assert(done >= 19 * MIB && done <= 22 * MIB, "%llu", (unsigned long long)done);
}

Test(pace, beside_slow_commits_it_keeps_to_the_floor)
{
    uint64_t done = settled(0, MIB, 512 * MIB, 1024 * MIB);

    cr_assert(done >= 30 * MIB && done <= 36 * MIB, "%llu", (unsigned long long)done);
}

Test(pace, what_is_left_is_done_twice_as_fast_as_commits_reach_the_limit)
{
    uint64_t done = settled(0, 40 * MIB, 512 * MIB, 256 * MIB); /* 6.4 s: 160 MiB/s */

    cr_assert(done >= 140 * MIB && done <= 175 * MIB, "%llu", (unsigned long long)done);
}

Test(pace, near_the_limit_and_where_nobody_commits_it_goes_as_fast_as_it_can)
{
    cr_assert_geq(settled(0, 40 * MIB, 512 * MIB, 0), 990 * MIB);
    cr_assert_geq(settled(0, 0, 512 * MIB, 512 * MIB), 990 * MIB);
}

Test(pace, a_long_wait_is_not_made_up_for)
{
    struct hg_pace p = { .limit = 100 * MIB };
    struct hg_pace_facts f = { .now_ns = 1, .left = 512 * MIB, .room = 512 * MIB };

    (void)hg_pace_take(&p, MIB, &f);
    f.now_ns += 3600 * SECOND;
    cr_assert_gt(hg_pace_take(&p, 10 * MIB, &f), 0u);
}

static uint64_t step_beside(uint64_t commits, uint64_t left, uint64_t room)
{
    struct hg_pace p = { 0 };
    struct hg_pace_facts f = { .now_ns = 1, .left = left, .room = room };
    uint64_t bytes = 0;

    for (int i = 0; i < 200; i++) {
        bytes = hg_pace_step(&p, SECOND / 50, 4 * MIB, &f);
        f.now_ns += SECOND / 50;
        f.written += commits / 50;
    }
    return bytes;
}

Test(pace, steps_are_as_small_as_they_may_be_and_as_large_as_they_must)
{
    cr_assert_eq(step_beside(0, 512 * MIB, 512 * MIB), 4 * MIB);
    cr_assert_eq(step_beside(MIB, 512 * MIB, 512 * MIB), 4 * MIB);
    uint64_t fast = step_beside(1024 * MIB, 512 * MIB, 512 * MIB); /* 2 GiB/s */
    cr_assert(fast > 38 * MIB && fast < 43 * MIB, "%llu", (unsigned long long)fast);
    cr_assert_eq(step_beside(1024 * MIB, 100 * MIB, MIB), 100 * MIB);
    cr_assert_eq(step_beside(0, 512 * MIB, 0), UINT64_MAX);
}
