//! What every output shares: types of the header, and functions of which only those are written that are used.
//!
//! In these texts `$p` is the stem and `$P` the stem in capitals.

/// The head of the header, behind its guard.
pub(super) const TYPES: &str = r"
/* Proves at compile time: an array cannot have a negative size. */
#define $P_ASSERT(name, test) typedef char $p_assert_##name[(test) ? 1 : -1]

/* UTF-8 in the guest's memory: `len` bytes at `ptr`. */
typedef struct {
    uint32_t ptr;
    uint32_t len;
} $p_string_t;

/* Elements in the guest's memory: `len` of them at `ptr`. Read and write them with `..._get` and `..._set`. */
typedef struct {
    uint32_t ptr;
    uint32_t len;
} $p_list_t;

/* A core value. */
typedef union {
    uint32_t i32;
    uint64_t i64;
    float f32;
    double f64;
} $p_slot_t;

/* A view of the guest's memory. It is old as soon as the guest has run. */
typedef struct {
    uint8_t *base;
    uint64_t size;
} $p_memory_t;

typedef struct $p_instance $p_instance_t;

/* One call, from the guest or to it. */
typedef struct {
    $p_instance_t *instance;
    /* What the engine calls this call: an execution environment, a runtime, a context; or nothing. */
    void *engine;
    $p_memory_t memory;
    /* Why the guest traps: the first reason counts. A function of the host may set it before it returns false. */
    const char *trap;
    /* Bytes of lists and strings that were looked at. */
    uint64_t checked;
} $p_call_t;
";

/// Prototypes of the support that the vendor may call: of each, a name that tells whether it is there.
pub(super) const PROTOTYPES: &[(&str, &str)] = &[
    (
        "$p_begin",
        r"
/* Begins a call of the host: `call` is then given to the functions of the guest. Fails where it has no memory. */
bool $p_begin($p_call_t *call, $p_instance_t *instance);
",
    ),
    (
        "$p_at",
        r"
/* `len` bytes of the guest's memory at `ptr`, or NULL where they are not all in it. Old as soon as the guest has run. */
uint8_t *$p_at($p_call_t *call, uint32_t ptr, uint32_t len);
",
    ),
    (
        "$p_alloc",
        r"
/* Allocates in the guest's memory. The view of it is renewed. */
bool $p_alloc($p_call_t *call, uint32_t size, uint32_t align, uint32_t *ptr);

/* Puts `len` bytes into the guest's memory: a string, or a list of bytes by its `ptr` and `len`. */
bool $p_string_new($p_call_t *call, const void *bytes, size_t len, $p_string_t *out);

/* Allocates a list of `len` elements of `size` bytes, to be written with `..._set`. */
bool $p_list_new($p_call_t *call, uint32_t len, uint32_t size, uint32_t align, $p_list_t *out);
",
    ),
    (
        "$p_handle",
        r"
/*
 * Implemented by the host: whether `handle` is a live one of this resource that the guest may pass. An owned handle is
 * the host's from now on; this is asked before, and changes nothing.
 */
bool $p_handle($p_call_t *call, uint32_t resource, uint32_t handle, bool owned);
",
    ),
];

/// Functions, each behind those that it calls.
pub(super) const FUNCTIONS: &[(&str, &str)] = &[
    (
        "$p_fail",
        r"static bool $p_fail($p_call_t *call, const char *reason) {
    if (call->trap == NULL) call->trap = reason;
    return false;
}
",
    ),
    (
        "$p_get16",
        r"static uint16_t $p_get16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}
",
    ),
    (
        "$p_get32",
        r"static uint32_t $p_get32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
",
    ),
    (
        "$p_get64",
        r"static uint64_t $p_get64(const uint8_t *p) {
    return (uint64_t)$p_get32(p) | (uint64_t)$p_get32(p + 4) << 32;
}
",
    ),
    (
        "$p_f32",
        r"static float $p_f32(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
",
    ),
    (
        "$p_f64",
        r"static double $p_f64(uint64_t bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}
",
    ),
    (
        "$p_bits32",
        r"static uint32_t $p_bits32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}
",
    ),
    (
        "$p_bits64",
        r"static uint64_t $p_bits64(double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}
",
    ),
    (
        "$p_getf32",
        r"static float $p_getf32(const uint8_t *p) {
    return $p_f32($p_get32(p));
}
",
    ),
    (
        "$p_getf64",
        r"static double $p_getf64(const uint8_t *p) {
    return $p_f64($p_get64(p));
}
",
    ),
    (
        "$p_put16",
        r"static void $p_put16(uint8_t *p, uint16_t value) {
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}
",
    ),
    (
        "$p_put32",
        r"static void $p_put32(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}
",
    ),
    (
        "$p_put64",
        r"static void $p_put64(uint8_t *p, uint64_t value) {
    $p_put32(p, (uint32_t)value);
    $p_put32(p + 4, (uint32_t)(value >> 32));
}
",
    ),
    (
        "$p_putf32",
        r"static void $p_putf32(uint8_t *p, float value) {
    $p_put32(p, $p_bits32(value));
}
",
    ),
    (
        "$p_putf64",
        r"static void $p_putf64(uint8_t *p, double value) {
    $p_put64(p, $p_bits64(value));
}
",
    ),
    (
        "$p_store_pair",
        r"static void $p_store_pair(uint8_t *p, uint32_t ptr, uint32_t len) {
    $p_put32(p, ptr);
    $p_put32(p + 4, len);
}
",
    ),
    (
        "$p_char_ok",
        r"static bool $p_char_ok(uint32_t c) {
    return c < 0x110000 && (c < 0xd800 || c > 0xdfff);
}
",
    ),
    (
        "$p_span",
        r#"/* Whether `len` bytes at `ptr` are in the memory. The sum cannot overflow, and 4 GiB is no special case. */
static bool $p_span($p_call_t *call, uint32_t ptr, uint64_t len) {
    if (call->memory.base != NULL && ptr <= call->memory.size && len <= call->memory.size - ptr) return true;
    return $p_fail(call, "pointer out of bounds");
}
"#,
    ),
    (
        "$p_area",
        r#"/* A pointer to a value. */
static bool $p_area($p_call_t *call, uint32_t ptr, uint32_t size, uint32_t align) {
    if (ptr % align != 0) return $p_fail(call, "misaligned pointer");
    return $p_span(call, ptr, size);
}
"#,
    ),
    (
        "$p_utf8",
        r"static bool $p_utf8(const uint8_t *p, uint32_t len) {
    uint32_t i = 0;
    while (i < len) {
        uint8_t c = p[i++], low = 0x80, high = 0xbf;
        uint32_t more;
        if (c < 0x80) continue;
        if (c < 0xc2 || c > 0xf4) return false;
        more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (c == 0xe0) low = 0xa0;
        if (c == 0xed) high = 0x9f;
        if (c == 0xf0) low = 0x90;
        if (c == 0xf4) high = 0x8f;
        if (len - i < more || p[i] < low || p[i] > high) return false;
        for (i++; more > 1; more--, i++) {
            if ((p[i] & 0xc0) != 0x80) return false;
        }
    }
    return true;
}
",
    ),
    (
        "$p_lift_list",
        r#"/* A list from its two slots. What one call may look at is bounded: lists can overlap, and so be longer than the memory. */
static bool $p_lift_list($p_call_t *call, uint32_t ptr, uint32_t len, uint32_t size, uint32_t align, $p_list_t *out) {
    uint64_t bytes = (uint64_t)len * size;
    if (ptr % align != 0) return $p_fail(call, "misaligned pointer");
    if (!$p_span(call, ptr, bytes)) return false;
    call->checked += bytes;
    if (call->checked > $P_CHECK_LIMIT) return $p_fail(call, "too much to check in one call");
    out->ptr = ptr;
    out->len = len;
    return true;
}
"#,
    ),
    (
        "$p_load_list",
        r"static bool $p_load_list($p_call_t *call, const uint8_t *p, uint32_t size, uint32_t align, $p_list_t *out) {
    return $p_lift_list(call, $p_get32(p), $p_get32(p + 4), size, align, out);
}
",
    ),
    (
        "$p_lift_string",
        r#"static bool $p_lift_string($p_call_t *call, uint32_t ptr, uint32_t len, $p_string_t *out) {
    if (!$p_span(call, ptr, len)) return false;
    call->checked += len;
    if (call->checked > $P_CHECK_LIMIT) return $p_fail(call, "too much to check in one call");
    if (!$p_utf8(call->memory.base + ptr, len)) return $p_fail(call, "invalid utf-8");
    out->ptr = ptr;
    out->len = len;
    return true;
}
"#,
    ),
    (
        "$p_load_string",
        r"static bool $p_load_string($p_call_t *call, const uint8_t *p, $p_string_t *out) {
    return $p_lift_string(call, $p_get32(p), $p_get32(p + 4), out);
}
",
    ),
    (
        "$p_element",
        r#"static uint8_t *$p_element($p_call_t *call, $p_list_t list, uint32_t index, uint32_t size) {
    if (index >= list.len) {
        $p_fail(call, "index out of bounds");
        return NULL;
    }
    if (!$p_span(call, list.ptr, (uint64_t)list.len * size)) return NULL;
    return call->memory.base + list.ptr + (size_t)index * size;
}
"#,
    ),
    (
        "$p_at",
        r"uint8_t *$p_at($p_call_t *call, uint32_t ptr, uint32_t len) {
    return $p_span(call, ptr, len) ? call->memory.base + ptr : NULL;
}
",
    ),
];

/// How one call may look at memory; behind the engine's header.
pub(super) const LIMIT: &str = r"
/* How many bytes of lists and strings one call may look at. */
#ifndef $P_CHECK_LIMIT
#define $P_CHECK_LIMIT UINT64_C(0x10000000)
#endif
";

/// Behind `$p_invoke`: calls from which the guest may not call the host, as *Canonical ABI*, `may_leave`, has it.
pub(super) const INVOKE_INSIDE: &str = r"/* The guest may not call its host from here. */
static bool $p_invoke_inside($p_call_t *call, uint32_t number, const $p_slot_t *in, $p_slot_t *out) {
    bool fine;
    call->instance->inside = true;
    fine = $p_invoke(call, number, in, out);
    call->instance->inside = false;
    return fine;
}

";

/// Behind that: allocation by the guest.
pub(super) const REENTRANT: &str = r#"bool $p_alloc($p_call_t *call, uint32_t size, uint32_t align, uint32_t *ptr) {
    $p_slot_t in[4], out;
    in[0].i32 = 0;
    in[1].i32 = 0;
    in[2].i32 = align;
    in[3].i32 = size;
    if (!$p_invoke_inside(call, $P_REALLOC, in, &out)) return false;
    *ptr = out.i32;
    return $p_area(call, *ptr, size, align);
}

"#;

/// Allocation in the region that the guest named.
pub(super) const ARENA: &str = r#"bool $p_alloc($p_call_t *call, uint32_t size, uint32_t align, uint32_t *ptr) {
    $p_instance_t *instance = call->instance;
    uint64_t start = ((uint64_t)instance->arena_next + align - 1) & ~(uint64_t)(align - 1);
    if (start > instance->arena_end || size > instance->arena_end - start) {
        return $p_fail(call, "the guest's arena is full");
    }
    *ptr = (uint32_t)start;
    instance->arena_next = (uint32_t)(start + size);
    return $p_span(call, *ptr, size);
}

/* lowlift arena: (i32 i32) -> (): the region that results are written into from now on. */
static bool $p_arena($p_call_t *call, const $p_slot_t *in, $p_slot_t *out) {
    (void)out;
    /* The end of a memory of 4 GiB is no 32-bit number; its last byte is not given away. */
    if (!$p_span(call, in[0].i32, in[1].i32)) return false;
    if (in[1].i32 > UINT32_MAX - in[0].i32) return $p_fail(call, "pointer out of bounds");
    call->instance->arena_next = in[0].i32;
    call->instance->arena_end = in[0].i32 + in[1].i32;
    return true;
}

"#;

/// What the vendor allocates with.
pub(super) const NEW: &str = r#"bool $p_list_new($p_call_t *call, uint32_t len, uint32_t size, uint32_t align, $p_list_t *out) {
    uint64_t bytes = (uint64_t)len * size;
    if (bytes > UINT32_MAX) return $p_fail(call, "a list of more than 4 GiB");
    out->len = len;
    return $p_alloc(call, (uint32_t)bytes, align, &out->ptr);
}

bool $p_string_new($p_call_t *call, const void *bytes, size_t len, $p_string_t *out) {
    if (len > UINT32_MAX - 1) return $p_fail(call, "a string of more than 4 GiB");
    out->len = (uint32_t)len;
    if (!$p_alloc(call, (uint32_t)len, 1, &out->ptr)) return false;
    if (len > 0) memcpy(call->memory.base + out->ptr, bytes, len);
    return true;
}

"#;
