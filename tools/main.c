/*
 * holog: the command line of the library, one verb for each thing it does.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

/* clang-format off */
static const struct command commands[] = {
    { "init", "STORE", "Create an empty store in directory STORE.",
      "STORE is made when it is missing; its parent must exist. A directory that holds anything is\n"
      "refused.", 1, 1,
      { OPT_SEGMENT_SIZE, OPT_EXTENT_SIZE, OPT_INLINE_MAX, OPT_MAX_SPACE_AMP, OPT_JSON },
      verb_init },
    { "save", "STORE PATH [FILE|-]", "Save FILE, or standard input, as PATH.",
      "A blob; what is in a .npy, .tif or .tiff file becomes an array, unless --blob is given.\n"
      "One commit, durable when the command returns. More than 16 MiB goes piece by piece, without\n"
      "being held in memory, unless --message or --if-seq is given.\n"
      "--if-seq N saves only if PATH is still as commit N left it, and then replaces it.", 2, 3,
      { OPT_REPLACE, OPT_PARENTS, OPT_BLOB, OPT_MESSAGE, OPT_IF_SEQ, OPT_JSON }, verb_save },
    { "load", "STORE PATH", "Write the value of PATH to standard output, or to a file.",
      "Every byte is verified before it is written. A file appears whole or not at all. An array goes\n"
      "into a file of the kind that its name says: -o FILE.npy, -o FILE.tif. With --preview 8 the last two\n"
      "axes have an eighth of the elements, each the mean of 8 x 8; of compressed arrays that reads a part.", 2, 2,
      { OPT_OUTPUT, OPT_RANGE, OPT_RAW, OPT_PREVIEW, OPT_AT }, verb_load },
    { "ls", "STORE [PATH]", "List a directory, in natural order (z2 before z10).",
      "With -r whole paths are listed, a directory before what is in it. On a terminal control\n"
      "characters in names are shown as \\n, \\x1b and the like.", 1, 2,
      { OPT_LONG, OPT_RECURSIVE, OPT_NUL, OPT_PREFIX, OPT_AFTER, OPT_LIMIT, OPT_AT, OPT_JSON },
      verb_ls },
    { "stat", "STORE PATH", "Show what an entry is; of a symlink, the link itself.", NULL, 2, 2,
      { OPT_AT, OPT_JSON }, verb_stat },
    { "delta", "STORE PATH KIND NUMBER ... [FILE|-]", "Change a part of a blob; costs what it changes.",
      "  insert START [FILE|-]      FILE, or standard input, comes before byte START\n"
      "  update START END [FILE|-]  in place of the bytes from START to before END; of any length\n"
      "  delete START END           those bytes go\n"
      "  move START END TO          they come before byte TO, counted as before the move\n"
      "One commit, and a version of its own in the history.", 4, 6,
      { OPT_IF_SEQ, OPT_BALANCE, OPT_MESSAGE, OPT_JSON }, verb_delta },
    { "rm", "STORE PATH ...", "Remove entries; all of them in one commit.",
      "A directory must be empty, unless -r takes it with everything below.\n"
      "With --purge no file of the store has the bytes of their values when the command ends, nor any\n"
      "that nobody could ask for before: segments that have some are written anew without them. Names\n"
      "stay in the log. What a tag or a copy holds is refused; what a copy that was changed in parts\n"
      "('holog delta') shares with it stays. The history of all paths has to go for it: that is what\n"
      "--forget agrees to. It waits a minute for readers. What a file system and a disk keep of files\n"
      "that are gone is theirs ('fstrim').", 2, -1,
      { OPT_RECURSIVE, OPT_PURGE, OPT_FORGET, OPT_IF_SEQ, OPT_MESSAGE, OPT_JSON }, verb_rm },
    { "mkdir", "STORE PATH ...", "Make directories; all of them in one commit.",
      "With -p missing parents are made too, and a directory that exists is fine.", 2, -1,
      { OPT_PARENTS, OPT_MESSAGE, OPT_JSON }, verb_mkdir },
    { "mv", "STORE FROM TO", "Move or rename an entry, with everything below it.",
      "TO is the new name, not the directory to put it in. A symlink itself is moved.", 3, 3,
      { OPT_REPLACE, OPT_PARENTS, OPT_MESSAGE, OPT_JSON }, verb_mv },
    { "cp", "STORE FROM TO", "Copy an entry, with everything below it; no bytes are copied.",
      "TO is the new name, not the directory to put it in. Symlinks stay symlinks.", 3, 3,
      { OPT_REPLACE, OPT_PARENTS, OPT_MESSAGE, OPT_JSON }, verb_cp },
    { "ln", "STORE TARGET PATH", "Make PATH a symlink to TARGET.",
      "TARGET is kept as given and need not exist; a relative one starts at PATH's directory.", 3, 3,
      { OPT_REPLACE, OPT_PARENTS, OPT_MESSAGE, OPT_JSON }, verb_ln },
    { "batch", "STORE [FILE|-]", "Apply changes, one JSON object a line, all in one commit.",
      "  {\"op\":\"save\", \"path\":P, \"file\":F}     or \"base64\":B or \"text\":T in place of \"file\"\n"
      "  {\"op\":\"mkdir\", \"path\":P}\n"
      "  {\"op\":\"rm\", \"path\":P}                 \"recursive\":true takes what is below\n"
      "  {\"op\":\"mv\", \"from\":P, \"to\":P}         also \"cp\"\n"
      "  {\"op\":\"ln\", \"target\":T, \"path\":P}\n"
      "  {\"op\":\"delta\", \"path\":P, \"kind\":K, \"start\":N, \"end\":N, \"to\":N}   as 'holog delta' takes\n"
      "                                          them; bytes as for save\n"
      "  {\"op\":\"rollback\", \"to\":REF, \"path\":P}   or \"steps\":N in place of \"to\"\n"
      "\"replace\":true and \"parents\":true go with save, mv, cp and ln, \"parents\" with mkdir,\n"
      "\"if_seq\":N with save, rm and delta, \"balance\":true with delta. An error names the line, and\n"
      "then nothing is changed.", 1, 2,
      { OPT_REPLACE, OPT_PARENTS, OPT_MESSAGE, OPT_JSON }, verb_batch },
    { "log", "STORE [PATH]", "List commits, newest first; of a value its versions.",
      "Of a directory PATH only commits that changed it or something below it. Of any other PATH the\n"
      "versions that are kept: commit, time, size, what became of it, message. With --before always\n"
      "commits.", 1, 2,
      { OPT_LIMIT, OPT_BEFORE, OPT_JSON }, verb_log },
    { "tag", "STORE [NAME [REF]]", "Give a state of the store a name, or list and delete names.",
      "Without REF the newest. What a tag names is kept, whatever the rules of retention say.\n"
      "NAME is a letter and up to 63 letters, digits, '.', '_' and '-'.", 1, 3,
      { OPT_FORCE, OPT_LIST, OPT_DELETE, OPT_JSON }, verb_tag },
    { "diff", "STORE REF REF [PATH]", "List what differs between two states, at or below PATH.",
      "+ is only in the second state, - only in the first, ~ in both; sizes then and then. With\n"
      "--ranges also OFF:LEN in the first -> OFF:LEN in the second. REF is a number, a tag, HEAD~N\n"
      "or a time. What is the same in both is not read.", 3, 4,
      { OPT_RANGES, OPT_JSON }, verb_diff },
    { "rollback", "STORE (REF | -n N) [PATH]", "Make PATH again what it was, with all below it.",
      "One commit, which can be undone by another; no bytes are moved. REF is a number, a tag,\n"
      "HEAD~N or a time. Without PATH everything goes back; tags and settings stay.", 1, 3,
      { OPT_STEPS, OPT_MESSAGE, OPT_DRY_RUN, OPT_JSON }, verb_rollback },
    { "gc", "STORE", "Let go of states that are not to be kept any more.",
      "The store's own rules (retention.* of 'holog config') are applied all the way; --keep and\n"
      "--older take the place of two of them this once. Each rule's line says what it frees beside\n"
      "those above it. What tags name stays. Bytes are of values: files shrink with 'holog\n"
      "compact'.", 1, 1,
      { OPT_KEEP, OPT_OLDER, OPT_DRY_RUN, OPT_JSON }, verb_gc },
    { "compact", "STORE", "Give the space of garbage back, and compress what lives beside it.",
      "Segments without anything that is needed go. What is needed in those that are mostly garbage is\n"
      "compressed into a new one, read back, and then they go. Nothing that can be read changes.\n"
      "What history, tags and open views keep is no garbage ('holog gc', 'holog stats'). While it lasts\n"
      "the new segment and the old ones are both on the disk. A kill or a power cut leaves the store as\n"
      "it was before, or after. With --purge what nobody can ask for goes to the last byte, whatever\n"
      "has to be moved for that; for what was removed before: delete the tags that hold it, then 'holog\n"
      "gc STORE --keep 1', then this.", 1, 1,
      { OPT_ALL, OPT_PURGE, OPT_DRY_RUN, OPT_JSON }, verb_compact },
    { "du", "STORE [PATH]", "Show what holds the space, by subtree.",
      "Bytes of a subtree are of its values, counted for each path: those of the newest commit, those\n"
      "that the rules of retention keep, and older ones that tags keep. The totals are of the disk.",
      1, 2, { OPT_DEPTH, OPT_JSON }, verb_du },
    { "verify", "STORE", "Read and check every byte of a store; change nothing.",
      "Exit status 3 when damage is found; each place is named by segment and offset.", 1, 1,
      { OPT_QUICK, OPT_JSON }, verb_verify },
    { "scrub", "STORE", "Read what has been compressed again, at a set rate; change nothing.",
      "Decodes every block of the compressed segments and compares all hashes, beside whoever uses the\n"
      "store: for a timer, on stores that are read seldom. Exit status 3 when damage is found, but for that\n"
      "of values that nobody can ask for any more.\n"
      "'holog verify' reads all else as well, as fast as the disk gives it.", 1, 1,
      { OPT_RATE, OPT_JSON }, verb_scrub },
    { "repair", "STORE --mode MODE", "Make a damaged store open again.",
      "  point-in-time  keeps everything before the first damage\n"
      "  salvage        keeps every commit that verifies, and lists what is lost\n"
      "What is cut is first copied to STORE/quarantine. With --dry-run the exit status is 3 when\n"
      "there is something to repair.", 1, 1,
      { OPT_MODE, OPT_DRY_RUN, OPT_JSON }, verb_repair },
    { "dump", "SEGMENT_FILE", "Show what is in one segment file, frame by frame.",
      "SEGMENT_FILE is one of STORE/seg, an index checkpoint of STORE/chk, or STORE/SUPER. It needs\n"
      "no store around it. Of a compressed segment (.hwp) it shows groups, values and pages,\n"
      "of a base (.base) what it covers and counts.\n"
      "Exit status 3 when something in it does not verify.",
      1, 1, { OPT_JSON }, verb_dump },
    { "config", "STORE [KEY[=VALUE] ...]", "Show or change settings kept in the store.", NULL, 1, -1,
      { OPT_JSON }, verb_config },
    { "info", "[STORE]", "Show version, machine, and how a store was opened.", NULL, 0, 1,
      { OPT_JSON }, verb_info },
    { "calibrate", "DIR", "Measure what is quick on this machine and disk, and use it from now on.",
      "DIR is a store, or a directory that will be one. What is chosen is stored in DIR/calibration.json:\n"
      "io_uring or plain calls, direct I/O or the page cache, for whoever opens the store and says\n"
      "nothing else; and the codec of arrays that are created with the codec 'auto'. HOLOG_IO and\n"
      "HOLOG_DIRECT count more; with HOLOG_CALIBRATION=off it is not looked at. Nothing of it changes\n"
      "what is stored, or how durable it is. 'holog info' says what is used.", 1, 1,
      { OPT_SAMPLE, OPT_DRY_RUN, OPT_JSON }, verb_calibrate },
    { "stats", "STORE", "Show counters, sizes, what keeps the past, and what the space is used for.",
      "With --map a line for each segment instead, the oldest first: a bar as long as the segment is\n"
      "large, of what its bytes are there for. With --map=FILE.png, or --map -o FILE, that is a picture.\n"
      "Dead bytes are what 'holog compact' gives back; those of frames go when there are enough for a base.\n"
      "With --segments the same in figures, a line for each. With --codecs a line for each filter and codec\n"
      "with which blocks of cold segments are coded: how many, their bytes, and what they take.", 1, 1,
      { OPT_SEGMENTS, OPT_MAP, OPT_CODECS, OPT_OUTPUT, OPT_JSON, OPT_PROMETHEUS }, verb_stats },
    { "serve", "STORE", "Serve the store over HTTP: Zarr arrays and blobs, any state.",
      "  /live/KEY    the newest state           /@REF/KEY   leads to the number of a tag, HEAD~N, time\n"
      "  /@17/KEY     the state of commit 17     /           what is here; /healthz and /metrics, too\n"
      "KEY is a Zarr key (plate/zarr.json, plate/c/0/12) or the path of a blob. Directly behind the\n"
      "state may come v2/, the same as Zarr v2, or v3/, with consolidated metadata. A KEY that ends\n"
      "in '/' is listed, with ?list as JSON. Read-only, a store that is being written is followed.\n"
      "With --writable nobody else may write it; each PUT and DELETE on /live/ is a durable commit.\n"
      "SIGINT or SIGTERM ends it when requests on their way are answered.", 1, 1,
      { OPT_PORT, OPT_BIND, OPT_PATH, OPT_WRITABLE, OPT_TOKEN, OPT_MAX_BODY, OPT_MAX_CONNECTIONS,
        OPT_VERBOSE }, verb_serve },
    { "export", "STORE PATH TO", "Write what is at or below PATH for Zarr programs: a directory, or one file.",
      "TO ends in .ozx or .zip: one zip file (needs libzip), entries stored, documents first (.ozx: Zarr 3,\n"
      "as OME-NGFF's RFC-9 has it); else a new directory, chunks first, documents last. Synced, and only\n"
      "then called TO: an export that was cut short never looks complete. Every byte is verified. What\n"
      "Zarr 2 has no words for (shards, some codecs and types) is named and ends it, unless\n"
      "--skip-unsupported is given.", 3, 3,
      { OPT_FORMAT, OPT_AT, OPT_SKIP_UNSUPPORTED, OPT_JSON }, verb_export },
    { "import", "STORE PATH FROM", "Take in what a Zarr program (version 3 or 2) has written: a directory, a zip file.",
      "All of it in one commit, chunks byte for byte, whatever their codecs and types are. What is damaged\n"
      "(a shard that was torn when its writer was killed) is named and ends it, unless --skip-damaged is\n"
      "given; what holog has no such thing as (a grid that is not regular), unless --skip-unsupported is.\n"
      "OME metadata of version 0.4 becomes 0.5; with --check only what is as OME-NGFF says is taken.", 3, 3,
      { OPT_REPLACE, OPT_SKIP_DAMAGED, OPT_SKIP_UNSUPPORTED, OPT_CHECK, OPT_MESSAGE, OPT_JSON }, verb_import },
    { "ome", "STORE [PATH]", "Show an OME-NGFF image, its labels, a plate or a well; or check it.",
      "Of an image its axes, and of each level shape, chunks and the size of a pixel; of a plate a map\n"
      "(# has images, . has none). With --check instead what is not as the specification says that it\n"
      "must be, in all that lies below PATH too, one line for each.", 1, 2,
      { OPT_CHECK, OPT_AT, OPT_JSON }, verb_ome },
    { "pyramid", "STORE PATH", "Make an OME-NGFF image of an array, or compute its levels again.",
      "An array becomes level 0 of an image at PATH, in place; axes are those that it names, or --axes,\n"
      "or the last ones of tczyx. The levels of an image are computed from level 0; with --levels,\n"
      "--method or --halve-z others take their place. One commit.", 2, 2,
      { OPT_LEVELS, OPT_METHOD, OPT_HALVE_Z, OPT_AXES, OPT_SCALE, OPT_UNIT, OPT_MESSAGE, OPT_JSON },
      verb_pyramid },
    { "bench", "[WORKLOAD ...]", "Measure this machine with a scratch store, which is removed after.",
      "  disk     the disk itself: 8 MiB writes past the page cache, one sync at the end\n"
      "  sync     the disk itself: 4 KiB writes in place, each durable\n"
      "  commit   256 B values, each a durable commit, 1 thread\n"
      "  commit16 the same, 16 threads\n"
      "  async    the same, 1 thread, 256 commits in flight\n"
      "  bulk     256 B values in random order, 1,000 a commit, one sync at the end\n"
      "  get      random 256 B values, cached, 1 thread\n"
      "  save     8 MiB values, one sync at the end\n"
      "  load     8 MiB values, cached, every byte read\n"
      "Without WORKLOAD all of them run.", 0, -1,
      { OPT_DIR, OPT_SECONDS, OPT_JSON }, verb_bench },
};
/* clang-format on */
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const char *const later_verbs[] = {
    "snapshot",
    "wave",
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int unknown_verb(const char *name)
{
    for (size_t i = 0; i < sizeof later_verbs / sizeof later_verbs[0]; i++) {
        if (strcmp(later_verbs[i], name) == 0)
            return cli_usage(NULL, "'%s' is not of this version (%s)", name, holog_version());
    }
    return cli_usage(NULL, "there is no verb '%s'", name);
}

static void put_overview(FILE *to)
{
    (void)fputs("usage: holog VERB [option ...] STORE ...\n\n"
                "A durable, crash-safe, versioned store of blobs in a directory.\n\n",
                to);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
    (void)fputs("\n'holog VERB --help' tells more of each; 'holog --version' tells the version.\n"
                "Exit status: 0 done, 1 the request failed, 2 usage, 3 damage found.\n",
                to);
}

static int help(const char *verb)
{
    const struct command *command = verb != NULL ? find_command(verb) : NULL;

    if (verb != NULL && command == NULL)
        return unknown_verb(verb);
    if (command != NULL)
        args_help(command, stdout);
    else
        put_overview(stdout);
    return cli_flush(NULL, EXIT_DONE);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct args args;
    int status = args_parse(command, argc, argv, &args);

    if (status != EXIT_DONE)
        return status;
    return args.given[OPT_HELP] ? help(command->name) : command->run(&args);
}

int main(int argc, char **argv)
{
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error like a full disk */
    if (argc < 2) {
        put_overview(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help(NULL);
    if (strcmp(argv[1], "help") == 0)
        return help(argc > 2 && strcmp(argv[2], "help") != 0 ? argv[2] : NULL);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        (void)printf("holog %s\n", holog_version());
        return cli_flush(NULL, EXIT_DONE);
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL)
        return argv[1][0] == '-' ? cli_usage(NULL, "unknown option %s", argv[1])
                                 : unknown_verb(argv[1]);
    return run(command, argc - 1, argv + 1);
}
