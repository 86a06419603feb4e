/* `PROGRAM MODULE EXPORT BITS… [--import MODULE FIELD RESULT(PARAMS)]…`, and the lines. */
#define _POSIX_C_SOURCE 200809L
#include "bridge.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bridge_import_t bridge_imports[BRIDGE_MOST];
uint32_t bridge_count;

uint32_t bridge_params(const char *signature) {
    return (uint32_t)(strchr(signature, ')') - signature) - 1;
}

static bool add_import(char **words) {
    bridge_import_t *import_ = &bridge_imports[bridge_count++];
    const char *open = strchr(words[2], '(');
    size_t length = strlen(words[2]);
    if (open == NULL || length >= sizeof import_->signature) return false;
    import_->module = words[0];
    import_->field = words[1];
    /* The result comes first here, and last there. */
    strcpy(import_->signature, open);
    strncat(import_->signature, words[2], (size_t)(open - words[2]));
    return true;
}

static uint8_t *load(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (file == NULL || bytes == NULL) return NULL;
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void say_bytes(const uint8_t *bytes, uint32_t length) {
    if (bytes == NULL) {
        puts("none");
        return;
    }
    fputs("bytes ", stdout);
    for (uint32_t i = 0; i < length; i++) printf("%02x", bytes[i]);
    putchar('\n');
}

/* Words of a line that follow each other, as bits. */
static uint32_t numbers(char **rest, uint64_t values[BRIDGE_MOST]) {
    uint32_t count = 0;
    char *word;
    while (count < BRIDGE_MOST && (word = strtok_r(NULL, " ", rest)) != NULL) values[count++] = strtoull(word, NULL, 16);
    return count;
}

static void write_memory(void *caller, uint32_t at, const char *hex) {
    uint32_t length = (uint32_t)(strlen(hex) / 2);
    uint8_t *bytes = engine_memory(caller, at, length);
    for (uint32_t i = 0; bytes != NULL && i < length; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    puts(bytes == NULL ? "none" : "ok");
}

static void say_result(const char *word, uint32_t count, const uint64_t *values) {
    if (count == 0) {
        puts(word);
    } else {
        printf("%s %" PRIx64 "\n", word, values[0]);
    }
}

static void call(void *caller, char **rest) {
    uint64_t values[BRIDGE_MOST] = {0};
    const char *name = strtok_r(NULL, " ", rest), *failed;
    uint32_t count = numbers(rest, values);
    failed = engine_call(caller, name != NULL ? name : "", values, &count);
    if (failed != NULL) {
        printf("error %s\n", failed);
    } else {
        say_result("ok", count, values);
    }
}

bool bridge_answer(void *caller, const bridge_import_t *import, uint64_t values[BRIDGE_MOST]) {
    static char *line;
    static size_t capacity;
    printf("import %x", (unsigned)(import - bridge_imports));
    for (uint32_t i = 0; i < bridge_params(import->signature); i++) printf(" %" PRIx64, values[i]);
    putchar('\n');
    for (;;) {
        uint64_t words[BRIDGE_MOST] = {0};
        char *rest, *word;
        fflush(stdout);
        if (getline(&line, &capacity, stdin) < 0) exit(1);
        line[strcspn(line, "\n")] = 0;
        word = strtok_r(line, " ", &rest);
        if (word == NULL || strcmp(word, "trap") == 0) return false;
        if (strcmp(word, "return") == 0) {
            if (numbers(&rest, words) > 0) values[0] = words[0];
            return true;
        }
        if (strcmp(word, "read") == 0 && numbers(&rest, words) == 2) {
            say_bytes(engine_memory(caller, (uint32_t)words[0], (uint32_t)words[1]), (uint32_t)words[1]);
        } else if (strcmp(word, "write") == 0 && (word = strtok_r(NULL, " ", &rest)) != NULL) {
            const char *hex = strtok_r(NULL, " ", &rest);
            write_memory(caller, (uint32_t)strtoul(word, NULL, 16), hex != NULL ? hex : "");
        } else if (strcmp(word, "call") == 0) {
            call(caller, &rest);
        } else {
            exit(1);
        }
    }
}

int main(int argc, char **argv) {
    uint64_t values[BRIDGE_MOST] = {0};
    uint32_t count = 0;
    const char *failed;
    size_t size;
    uint8_t *wasm = argc > 2 ? load(argv[1], &size) : NULL;
    if (wasm == NULL) return 2;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--import") != 0) {
            if (count == BRIDGE_MOST) return 2;
            values[count++] = strtoull(argv[i], NULL, 16);
        } else {
            if (bridge_count == BRIDGE_MOST || i + 3 >= argc || !add_import(&argv[i + 1])) return 2;
            i += 3;
        }
    }
    if ((failed = engine_start(wasm, size)) != NULL) {
        printf("refused %s\n", failed);
        return 0;
    }
    if ((failed = engine_call(NULL, argv[2], values, &count)) != NULL) {
        printf("trapped %s\n", failed);
    } else {
        say_result("result", count, values);
    }
    return 0;
}
