/* The host of the guest `fixtures/guests/engines`, behind code that lowlift generates: the same for all engines in C. */
#include "board.h"
#include <stdio.h>
#include <string.h>

#define COUNTERS 16

static struct {
    uint32_t value;
    bool live;
} counters[COUNTERS];
static uint32_t next_counter = 1;
static uint32_t gone;

static bool live(uint32_t handle) { return handle < COUNTERS && counters[handle].live; }

static bool create(uint32_t value, uint32_t *handle) {
    if (next_counter == COUNTERS) return false;
    counters[next_counter].value = value;
    counters[next_counter].live = true;
    *handle = next_counter++;
    return true;
}

bool eng_handle(eng_call_t *call, uint32_t resource, uint32_t handle, bool owned) {
    (void)call;
    (void)owned;
    return resource == LOWLIFT_ENGINES_COUNTERS_COUNTER_RESOURCE && live(handle);
}

bool lowlift_engines_values_add(eng_call_t *call, int32_t a, int64_t b, int64_t *ret) {
    (void)call;
    *ret = (int64_t)((uint64_t)(int64_t)a + (uint64_t)b);
    return true;
}

bool lowlift_engines_values_narrow(eng_call_t *call, uint8_t a, int8_t b, uint16_t c, int16_t d, eng_bool_t e, int16_t *ret) {
    uint16_t sum = (uint16_t)(a + b + c + d + (e ? 1 : 0));
    (void)call;
    memcpy(ret, &sum, sizeof sum);
    return true;
}

bool lowlift_engines_values_floats(eng_call_t *call, float a, double b, double *ret) {
    (void)call;
    *ret = (double)a * 2.0 + b;
    return true;
}

bool lowlift_engines_values_next_char(eng_call_t *call, uint32_t c, uint32_t *ret) {
    (void)call;
    *ret = c == 0xd7ff ? 0xe000 : c == 0x10ffff ? 0 : c + 1;
    return true;
}

bool lowlift_engines_values_move_by(eng_call_t *call, const lowlift_engines_values_point_t *p, const lowlift_engines_values_point_t *by, lowlift_engines_values_point_t *ret) {
    (void)call;
    ret->x = (int32_t)((uint32_t)p->x + (uint32_t)by->x);
    ret->y = (int32_t)((uint32_t)p->y + (uint32_t)by->y);
    return true;
}

bool lowlift_engines_values_latest(eng_call_t *call, const lowlift_engines_values_reading_t *r, lowlift_engines_values_reading_t *ret) {
    (void)call;
    ret->sensor = (uint8_t)(r->sensor + 1);
    ret->at = r->at + 1000;
    ret->level = r->level * 0.5f;
    ret->place.x = r->place.y;
    ret->place.y = r->place.x;
    ret->ok = !r->ok;
    return true;
}

bool lowlift_engines_values_area(eng_call_t *call, const lowlift_engines_values_shape_t *s, eng_option_f32_t *ret) {
    (void)call;
    ret->is_some = s->tag == LOWLIFT_ENGINES_VALUES_SHAPE_CIRCLE || s->tag == LOWLIFT_ENGINES_VALUES_SHAPE_BOX;
    if (s->tag == LOWLIFT_ENGINES_VALUES_SHAPE_CIRCLE) ret->val = 3.0f * s->val.circle * s->val.circle;
    if (s->tag == LOWLIFT_ENGINES_VALUES_SHAPE_BOX) ret->val = (float)(int32_t)((uint32_t)s->val.box.x * (uint32_t)s->val.box.y);
    return true;
}

bool lowlift_engines_values_grow_shape(eng_call_t *call, const lowlift_engines_values_shape_t *s, lowlift_engines_values_shape_t *ret) {
    (void)call;
    switch (s->tag) {
    case LOWLIFT_ENGINES_VALUES_SHAPE_NOTHING:
        ret->tag = LOWLIFT_ENGINES_VALUES_SHAPE_CIRCLE;
        ret->val.circle = 1.0f;
        break;
    case LOWLIFT_ENGINES_VALUES_SHAPE_CIRCLE:
        ret->tag = LOWLIFT_ENGINES_VALUES_SHAPE_BOX;
        ret->val.box.x = ret->val.box.y = (int32_t)s->val.circle;
        break;
    case LOWLIFT_ENGINES_VALUES_SHAPE_BOX:
        ret->tag = LOWLIFT_ENGINES_VALUES_SHAPE_TAGGED;
        ret->val.tagged = (uint64_t)(uint32_t)s->val.box.x << 32 | (uint32_t)s->val.box.y;
        break;
    default:
        ret->tag = LOWLIFT_ENGINES_VALUES_SHAPE_NOTHING;
    }
    return true;
}

bool lowlift_engines_values_paint(eng_call_t *call, lowlift_engines_values_color_t c, lowlift_engines_values_modes_t m, eng_result_lowlift_engines_values_color_lowlift_engines_values_modes_t *ret) {
    (void)call;
    ret->is_err = (m & LOWLIFT_ENGINES_VALUES_MODES_WRITE) == 0;
    if (ret->is_err) ret->val.err = (lowlift_engines_values_modes_t)(m ^ LOWLIFT_ENGINES_VALUES_MODES_LAST);
    else ret->val.ok = (lowlift_engines_values_color_t)((c + 1) % 3);
    return true;
}

bool lowlift_engines_values_sixteen(eng_call_t *call, uint32_t p1, uint32_t p2, uint32_t p3, uint32_t p4, uint32_t p5, uint32_t p6, uint32_t p7, uint32_t p8, uint32_t p9, uint32_t p10, uint32_t p11, uint32_t p12, uint32_t p13, uint32_t p14, uint32_t p15, uint32_t p16, uint32_t *ret) {
    (void)call;
    *ret = p1 + 2 * p2 + 3 * p3 + 4 * p4 + 5 * p5 + 6 * p6 + 7 * p7 + 8 * p8 + 9 * p9 + 10 * p10 + 11 * p11 + 12 * p12 + 13 * p13 + 14 * p14 + 15 * p15 + 16 * p16;
    return true;
}

bool lowlift_engines_values_seventeen(eng_call_t *call, uint32_t p1, uint32_t p2, uint32_t p3, uint32_t p4, uint32_t p5, uint32_t p6, uint32_t p7, uint32_t p8, uint32_t p9, uint32_t p10, uint32_t p11, uint32_t p12, uint32_t p13, uint32_t p14, uint32_t p15, uint32_t p16, uint32_t p17, uint32_t *ret) {
    lowlift_engines_values_sixteen(call, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, ret);
    *ret += 17 * p17;
    return true;
}

bool lowlift_engines_values_total(eng_call_t *call, eng_list_t xs, uint32_t *ret) {
    uint32_t i;
    *ret = 0;
    for (i = 0; i < xs.len; i++) {
        uint16_t x;
        if (!eng_u16_get(call, xs, i, &x)) return false;
        *ret += x;
    }
    return true;
}

bool lowlift_engines_values_sum_points(eng_call_t *call, eng_list_t ps, lowlift_engines_values_point_t *ret) {
    uint32_t i;
    lowlift_engines_values_point_t sum = {0, 0};
    for (i = 0; i < ps.len; i++) {
        lowlift_engines_values_point_t p;
        if (!lowlift_engines_values_point_get(call, ps, i, &p)) return false;
        lowlift_engines_values_move_by(call, &sum, &p, &sum);
    }
    *ret = sum;
    return true;
}

bool lowlift_engines_values_length(eng_call_t *call, eng_string_t s, uint32_t *ret) {
    const uint8_t *bytes = eng_at(call, s.ptr, s.len);
    uint32_t i;
    *ret = 0;
    if (bytes == NULL) return false;
    for (i = 0; i < s.len; i++) *ret += (bytes[i] & 0xc0) != 0x80;
    return true;
}

bool lowlift_engines_heap_squares(eng_call_t *call, uint32_t n, eng_list_t *ret) {
    uint32_t i;
    if (!eng_list_new(call, n, 8, 8, ret)) return false;
    for (i = 0; i < n; i++) {
        if (!eng_u64_set(call, *ret, i, (uint64_t)i * i)) return false;
    }
    return true;
}

/* What is copied of the guest's text before it runs again. */
static bool copy(eng_call_t *call, eng_string_t text, char *out, size_t room) {
    const uint8_t *bytes = eng_at(call, text.ptr, text.len);
    if (bytes == NULL || text.len > room) return false;
    memcpy(out, bytes, text.len);
    return true;
}

bool lowlift_engines_heap_greet(eng_call_t *call, eng_string_t name, eng_string_t *ret) {
    char text[64] = "Hello, ";
    if (!copy(call, name, text + 7, sizeof text - 8)) return false;
    text[7 + name.len] = '!';
    return eng_string_new(call, text, 8 + name.len, ret);
}

bool lowlift_engines_heap_split(eng_call_t *call, eng_string_t text, eng_list_t *ret) {
    char words[64];
    uint32_t i, begin = 0, count = 1, word = 0;
    if (!copy(call, text, words, sizeof words)) return false;
    for (i = 0; i < text.len; i++) count += words[i] == ' ';
    if (!eng_list_new(call, count, 8, 4, ret)) return false;
    for (i = 0; i <= text.len; i++) {
        eng_string_t item;
        if (i < text.len && words[i] != ' ') continue;
        if (!eng_string_new(call, words + begin, i - begin, &item) || !eng_string_set(call, *ret, word++, item)) return false;
        begin = i + 1;
    }
    return true;
}

bool lowlift_engines_heap_find(eng_call_t *call, eng_string_t key, eng_result_option_string_string_t *ret) {
    char twice[64];
    if (!copy(call, key, twice, sizeof twice / 2)) return false;
    ret->is_err = key.len == 0;
    if (ret->is_err) return eng_string_new(call, "empty", 5, &ret->val.err);
    ret->val.ok.is_some = key.len != 4 || memcmp(twice, "none", 4) != 0;
    if (!ret->val.ok.is_some) return true;
    memcpy(twice + key.len, twice, key.len);
    return eng_string_new(call, twice, 2 * (size_t)key.len, &ret->val.ok.val);
}

bool lowlift_engines_counters_constructor_counter(eng_call_t *call, uint32_t start, lowlift_engines_counters_own_counter_t *ret) {
    (void)call;
    return create(start, ret);
}

bool lowlift_engines_counters_method_counter_add(eng_call_t *call, lowlift_engines_counters_borrow_counter_t self, uint32_t n, uint32_t *ret) {
    (void)call;
    *ret = counters[self].value += n;
    return true;
}

bool lowlift_engines_counters_static_counter_merge(eng_call_t *call, lowlift_engines_counters_own_counter_t a, lowlift_engines_counters_borrow_counter_t b, lowlift_engines_counters_own_counter_t *ret) {
    uint32_t sum = counters[a].value + counters[b].value;
    (void)call;
    if (a == b) return false;
    counters[a].live = false;
    gone++;
    return create(sum, ret);
}

bool lowlift_engines_counters_gone(eng_call_t *call, uint32_t *ret) {
    (void)call;
    *ret = gone;
    return true;
}

bool lowlift_engines_counters_counter_drop_own(eng_call_t *call, uint32_t self) {
    (void)call;
    if (!live(self)) return false;
    counters[self].live = false;
    gone++;
    return true;
}

bool lowlift_engines_transcript_say(eng_call_t *call, eng_string_t line) {
    const uint8_t *bytes = eng_at(call, line.ptr, line.len);
    if (bytes == NULL) return false;
    fwrite(bytes, 1, line.len, stdout);
    putchar('\n');
    return true;
}

uint8_t *load(const char *path, size_t *size) {
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    *size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return bytes;
}
