/* A host of the sample WIT: its stubs are called as a guest would, with good arguments and with hostile ones. */
#include "demo_shelf_shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef demo_shelf_shelf_call_t call_t;
typedef demo_shelf_shelf_slot_t slot_t;

/* One page, and no byte behind it that belongs to anybody: the sanitizer sees every step beyond. */
static uint8_t *page;
static uint32_t top;
static int failures;
static char seen[256];
/* Whether the guest calls the host where it may not. */
static bool naughty;
static void call_inside(void);

static bool memory(demo_shelf_shelf_instance_t *instance, demo_shelf_shelf_memory_t *out) {
    (void)instance;
    out->base = page;
    out->size = 65536;
    return true;
}

/* The guest's functions: a realloc that moves the whole memory each time, and `run`. */
static bool guest(demo_shelf_shelf_instance_t *instance, const demo_shelf_shelf_export_t *export_, const slot_t *in, slot_t *out) {
    (void)instance;
    if (naughty) call_inside();
    if (strcmp(export_->name, "cabi_realloc") == 0) {
        uint8_t *moved = malloc(65536);
        uint32_t ptr = (top + in[2].i32 - 1) & ~(in[2].i32 - 1);
        memcpy(moved, page, 65536);
        memset(page, 0xee, 65536);
        free(page);
        page = moved;
        top = ptr + in[3].i32;
        out->i32 = ptr;
        return true;
    }
    if (strcmp(export_->name, "run") == 0) {
        /* The result: ok("hi") at 512, whose text is at 600. */
        static const uint8_t result[12] = {0, 0, 0, 0, 0x58, 2, 0, 0, 2, 0, 0, 0};
        snprintf(seen, sizeof seen, "run %u %u %u", (unsigned)in[1].i32, (unsigned)in[2].i32, (unsigned)in[3].i32);
        memcpy(page + 512, result, 12);
        memcpy(page + 600, "hi", 2);
        out->i32 = 512;
        return true;
    }
    snprintf(seen, sizeof seen, "%s", export_->name);
    return true;
}

bool demo_shelf_shelf_handle(call_t *call, uint32_t resource, uint32_t handle, bool owned) {
    (void)call;
    (void)owned;
    return resource == DEMO_SHELF_BOOKS_SHELF_RESOURCE && handle == 7;
}

static void text(call_t *call, demo_shelf_shelf_string_t string, char *out) {
    memcpy(out, demo_shelf_shelf_at(call, string.ptr, string.len), string.len);
    out[string.len] = 0;
}

bool demo_shelf_books_constructor_shelf(call_t *call, demo_shelf_shelf_string_t name, uint32_t *ret) {
    text(call, name, seen);
    *ret = 7;
    return true;
}

bool demo_shelf_books_method_shelf_add(call_t *call, uint32_t self, const demo_shelf_books_book_t *book, demo_shelf_shelf_result_u32_demo_shelf_books_mood_t *ret) {
    char title[64];
    text(call, book->title, title);
    snprintf(seen, sizeof seen, "add %u %s %u %u %u %g", (unsigned)self, title, book->pages, book->in_print, book->price.is_some, book->price.is_some ? book->price.val : 0.0);
    ret->is_err = 1;
    ret->val.err = DEMO_SHELF_BOOKS_MOOD_LOUD;
    return true;
}

bool demo_shelf_books_method_shelf_titles(call_t *call, uint32_t self, demo_shelf_shelf_list_t *ret) {
    demo_shelf_shelf_string_t title;
    uint32_t i;
    (void)self;
    if (!demo_shelf_shelf_list_new(call, 3, 8, 4, ret)) return false;
    for (i = 0; i < 3; i++) {
        if (!demo_shelf_shelf_string_new(call, "title", i + 3, &title)) return false;
        if (!demo_shelf_shelf_string_set(call, *ret, i, title)) return false;
    }
    /* One too many is refused, and the guest would trap: not here, where the reason is taken back. */
    if (demo_shelf_shelf_string_set(call, *ret, 3, title)) return false;
    call->trap = NULL;
    return true;
}

bool demo_shelf_books_count(call_t *call, uint32_t *ret) {
    (void)call;
    *ret = 42;
    return true;
}

bool demo_shelf_books_find(call_t *call, const demo_shelf_books_lookup_t *what, uint32_t c, demo_shelf_shelf_option_demo_shelf_books_book_t *ret) {
    (void)call;
    snprintf(seen, sizeof seen, "find %u %g %x", what->tag, what->tag == DEMO_SHELF_BOOKS_LOOKUP_BY_WEIGHT ? (double)what->val.by_weight : 0.0, (unsigned)c);
    ret->is_some = 1;
    ret->val.pages = 0x1234;
    ret->val.in_print = 1;
    ret->val.price.is_some = 1;
    ret->val.price.val = 1.5;
    return true;
}

bool demo_shelf_books_tag(call_t *call, demo_shelf_shelf_list_t books, demo_shelf_shelf_list_t numbers, uint8_t marks, int8_t errno_, uint8_t *ret) {
    demo_shelf_books_book_t book;
    uint32_t number = 0, sum = 0, i;
    for (i = 0; i < numbers.len; i++) {
        if (!demo_shelf_shelf_u32_get(call, numbers, i, &number)) return false;
        sum += number;
    }
    for (i = 0; i < books.len; i++) {
        if (!demo_shelf_books_book_get(call, books, i, &book)) return false;
    }
    snprintf(seen, sizeof seen, "tag %u %u %x %d", (unsigned)books.len, (unsigned)sum, marks, errno_);
    *ret = marks;
    return true;
}

bool demo_shelf_books_many(call_t *call, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h, uint64_t i, uint64_t j, uint64_t k, uint64_t l, uint64_t m, uint64_t n, uint64_t o, uint64_t p, demo_shelf_shelf_string_t q, double *ret) {
    text(call, q, seen);
    *ret = (double)(a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p);
    return true;
}

bool demo_shelf_books_move(call_t *call, uint32_t source, uint32_t to) {
    (void)call;
    (void)source;
    (void)to;
    return false;
}

bool demo_shelf_books_shelf_drop_own(call_t *call, uint32_t self) {
    (void)call;
    snprintf(seen, sizeof seen, "drop %u", (unsigned)self);
    return true;
}

static demo_shelf_shelf_instance_t instance;

/* Calls the stub of `field`; `why` is the trap that is expected, or NULL, `told` what the host is expected to see. */
static void expect(const char *field, const slot_t *in, const char *why, const char *told, slot_t *out) {
    const demo_shelf_shelf_import_t *import_ = demo_shelf_shelf_imports;
    const char *trap = NULL;
    bool fine;
    while (import_->field != NULL && strcmp(import_->field, field) != 0) import_++;
    if (import_->field == NULL) {
        printf("no import %s\n", field);
        exit(2);
    }
    seen[0] = 0;
    fine = demo_shelf_shelf_dispatch(&instance, import_, in, out, &trap);
    if (fine != (why == NULL) || (why != NULL && (trap == NULL || strcmp(trap, why) != 0)) || strcmp(seen, told) != 0) {
        printf("%s: %s, `%s`, saw `%s`; wanted `%s`, `%s`\n", field, fine ? "fine" : "trapped", trap != NULL ? trap : "", seen, why != NULL ? why : "", told);
        failures++;
    }
}

static void check(bool test, const char *what) {
    if (!test) {
        printf("%s\n", what);
        failures++;
    }
}

static void put32(uint32_t at, uint32_t value) {
    page[at] = (uint8_t)value;
    page[at + 1] = (uint8_t)(value >> 8);
    page[at + 2] = (uint8_t)(value >> 16);
    page[at + 3] = (uint8_t)(value >> 24);
}

static const char *const OUT = "pointer out of bounds";
static const char *const ASKEW = "misaligned pointer";
static const char *const CASE = "no such case";

/* `count` takes nothing, and looks at no memory. */
static void call_inside(void) {
    slot_t out;
    naughty = false;
    expect("count", NULL, "a function of the host is called from realloc or a post-return", "", &out);
}

static void strings(void) {
    slot_t in[2], out;
    static const char *const bad[] = {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "\xf0\x8f\xbf\xbf", "a\xc3"};
    static const char *const good[] = {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"};
    const char *const *p;
    in[0].i32 = 16;
    for (p = good; p < good + 7; p++) {
        memcpy(page + 16, *p, strlen(*p));
        in[1].i32 = (uint32_t)strlen(*p);
        expect("[constructor]shelf", in, NULL, *p, &out);
        check(out.i32 == 7, "the handle");
    }
    for (p = bad; p < bad + 8; p++) {
        memcpy(page + 16, *p, strlen(*p));
        in[1].i32 = (uint32_t)strlen(*p);
        expect("[constructor]shelf", in, "invalid utf-8", "", &out);
    }
    /* Up to the last byte, one beyond, and sums that overflow. */
    page[65535] = 'z';
    in[0].i32 = 65535;
    in[1].i32 = 1;
    expect("[constructor]shelf", in, NULL, "z", &out);
    in[0].i32 = 65536;
    in[1].i32 = 0;
    expect("[constructor]shelf", in, NULL, "", &out);
    in[1].i32 = 1;
    expect("[constructor]shelf", in, OUT, "", &out);
    in[0].i32 = 65537;
    in[1].i32 = 0;
    expect("[constructor]shelf", in, OUT, "", &out);
    in[0].i32 = 16;
    in[1].i32 = 0xfffffff8;
    expect("[constructor]shelf", in, OUT, "", &out);
    in[0].i32 = 0xffffffff;
    in[1].i32 = 0xffffffff;
    expect("[constructor]shelf", in, OUT, "", &out);
}

static void records(void) {
    slot_t in[8], out;
    memset(in, 0, sizeof in);
    memcpy(page + 16, "Emma", 4);
    in[0].i32 = 7;
    in[1].i32 = 16;
    in[2].i32 = 4;
    in[3].i32 = 0x10003; /* a u16: the high bits mean nothing */
    in[4].i32 = 256;     /* a bool: anything but zero is true */
    in[5].i32 = 1;
    in[6].f64 = 2.5;
    in[7].i32 = 64;
    expect("[method]shelf.add", in, NULL, "add 7 Emma 3 1 1 2.5", &out);
    check(page[64] == 1 && page[68] == DEMO_SHELF_BOOKS_MOOD_LOUD, "the result's bytes");
    in[5].i32 = 256; /* a discriminant is not narrowed */
    expect("[method]shelf.add", in, CASE, "", &out);
    in[5].i32 = 0;
    in[7].i32 = 66;
    expect("[method]shelf.add", in, ASKEW, "", &out);
    in[7].i32 = 65532;
    expect("[method]shelf.add", in, OUT, "", &out);
    in[7].i32 = 65528;
    expect("[method]shelf.add", in, NULL, "add 7 Emma 3 1 0 0", &out);
    in[0].i32 = 8;
    expect("[method]shelf.add", in, "unknown handle", "", &out);
    in[0].i32 = 7;
    in[1].i32 = 7;
    expect("move", in, "refused by the host", "", &out);
    expect("[resource-drop]shelf", in, NULL, "drop 7", &out);
    expect("count", in, NULL, "", &out);
    check(out.i32 == 42, "the count");
}

static void variants(void) {
    static const uint8_t wanted[40] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f};
    slot_t in[5], out;
    float weight = 0.25f;
    uint32_t bits;
    memcpy(&bits, &weight, 4);
    memset(in, 0, sizeof in);
    memset(page + 128, 0, 40);
    in[0].i32 = DEMO_SHELF_BOOKS_LOOKUP_BY_WEIGHT;
    in[1].i64 = bits; /* an i64 that carries a float */
    in[3].i32 = 0x1f600;
    in[4].i32 = 128;
    expect("find", in, NULL, "find 3 0.25 1f600", &out);
    check(memcmp(page + 128, wanted, 40) == 0, "the record's bytes");
    in[0].i32 = DEMO_SHELF_BOOKS_LOOKUP_BY_TITLE;
    in[1].i64 = 65530;
    in[2].i32 = 7;
    expect("find", in, OUT, "", &out);
    in[0].i32 = 4;
    expect("find", in, CASE, "", &out);
    in[0].i32 = 0xffffffff;
    expect("find", in, CASE, "", &out);
    in[0].i32 = 0;
    in[3].i32 = 0xd800;
    expect("find", in, "not a Unicode scalar value", "", &out);
    in[3].i32 = 0x110000;
    expect("find", in, "not a Unicode scalar value", "", &out);
    in[3].i32 = 0x10ffff;
    in[4].i32 = 132;
    expect("find", in, ASKEW, "", &out);
}

static void lists(void) {
    slot_t in[6], out;
    memset(in, 0, sizeof in);
    memset(page + 1024, 0, 64);
    put32(1024, 16); /* two books at 1024; their titles at 16 */
    put32(1028, 4);
    put32(1056, 16);
    put32(1060, 4);
    in[0].i32 = 1024;
    in[1].i32 = 2;
    put32(2048, 5);
    put32(2052, 6);
    in[2].i32 = 2048;
    in[3].i32 = 2;
    in[4].i32 = 0xff; /* unknown flags mean nothing */
    in[5].i32 = 0xffffffff;
    expect("tag", in, NULL, "tag 2 11 7 -1", &out);
    check(out.i32 == 7, "the flags");
    page[1040 + 32] = 2; /* deep in the second book: option's discriminant */
    expect("tag", in, CASE, "", &out);
    page[1040 + 32] = 0;
    put32(1056, 65535);
    expect("tag", in, OUT, "", &out);
    put32(1056, 16);
    in[0].i32 = 1028;
    expect("tag", in, ASKEW, "", &out);
    in[0].i32 = 1024;
    in[1].i32 = 0x08000001; /* times 32 overflows 32 bits */
    expect("tag", in, OUT, "", &out);
    in[1].i32 = 0;
    in[3].i32 = 0x40000001;
    expect("tag", in, OUT, "", &out);
    in[3].i32 = 0;
    in[2].i32 = 2;
    expect("tag", in, ASKEW, "", &out);
    in[0].i32 = 7;
    in[1].i32 = 256;
    top = 4096;
    expect("[method]shelf.titles", in, NULL, "", &out);
    check(page[256] == 0 && page[257] == 16 && page[260] == 3, "the list's bytes, in memory that moved");
    check(memcmp(page + 4096 + 24, "titleti", 3) == 0 && page[4096 + 4] == 3 && page[4096 + 20] == 5, "the titles");
    top = 65530;
    expect("[method]shelf.titles", in, OUT, "", &out);
    top = 4096;
}

static void spilled(void) {
    slot_t in[1], out;
    uint32_t i;
    memset(page + 3072, 0, 136);
    for (i = 0; i < 16; i++) put32(3072 + 8 * i, i + 1);
    put32(3072 + 128, 16);
    put32(3072 + 132, 4);
    in[0].i32 = 3072;
    expect("many", in, NULL, "Emma", &out);
    check(out.f64 == 136.0, "the sum");
    in[0].i32 = 3076;
    expect("many", in, ASKEW, "", &out);
    in[0].i32 = 65536 - 128;
    expect("many", in, OUT, "", &out);
    put32(3072 + 132, 0xffffffff);
    in[0].i32 = 3072;
    expect("many", in, OUT, "", &out);
}

static void calls(void) {
    slot_t out;
    demo_shelf_shelf_call_t call;
    demo_shelf_shelf_list_t args;
    demo_shelf_shelf_string_t string = {0, 0};
    demo_shelf_shelf_option_u8_t mood = {1, 9};
    demo_shelf_shelf_result_string_u32_t ret;
    uint32_t area = 0;
    check(demo_shelf_shelf_begin(&call, &instance), "a call begins");
    check(demo_shelf_shelf_list_new(&call, 1, 8, 4, &args) && demo_shelf_shelf_string_new(&call, "arg", 3, &string), "arguments");
    check(demo_shelf_shelf_string_set(&call, args, 0, string), "an argument");
    naughty = true;
    check(demo_shelf_shelf_string_new(&call, "arg", 3, &string) && !naughty, "a call from realloc traps, and no later one");
    expect("count", NULL, NULL, "", &out);
    check(exports_demo_shelf_shelf_run(&call, args, &mood, &ret, &area), "run");
    check(strcmp(seen, "run 1 1 9") == 0 && area == 512 && ret.is_err == 0 && ret.val.ok.len == 2, seen);
    check(memcmp(demo_shelf_shelf_at(&call, ret.val.ok.ptr, 2), "hi", 2) == 0, "the text");
    naughty = true;
    check(exports_demo_shelf_shelf_run_post_return(&call, area) && strcmp(seen, "cabi_post_run") == 0, "post-return");
    check(!naughty, "a call from a post-return traps");
    check(demo_shelf_shelf_at(&call, 65536, 1) == NULL && demo_shelf_shelf_at(&call, 65535, 1) != NULL, "a pointer");
}

int main(void) {
    page = malloc(65536);
    memset(page, 0, 65536);
    top = 4096;
    instance.memory = memory;
    instance.call = guest;
    strings();
    records();
    variants();
    lists();
    spilled();
    calls();
    free(page);
    printf("%s\n", failures == 0 ? "all as expected" : "FAILED");
    return failures == 0 ? 0 : 1;
}
