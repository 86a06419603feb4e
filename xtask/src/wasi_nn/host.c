/* wasi:nn on WAMR: a model that adds up its input. The stubs have checked whatever arrives here. */
#include "wasi_nn_ml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef wasi_nn_ml_call_t call_t;

/* All resources in one table of fixed size: a handle is a place in it. */
enum { HANDLES = 16, DIMENSIONS = 4, BYTES = 256 };

static struct {
    bool live;
    uint32_t resource;
    uint32_t dimensions[DIMENSIONS], rank;
    uint8_t type, data[BYTES];
    uint32_t size;
} table[HANDLES + 1];

static uint32_t make(uint32_t resource) {
    uint32_t handle;
    for (handle = 1; handle <= HANDLES; handle++) {
        if (table[handle].live) continue;
        memset(&table[handle], 0, sizeof table[handle]);
        table[handle].live = true;
        table[handle].resource = resource;
        return handle;
    }
    return 0;
}

static bool drop(uint32_t resource, uint32_t handle) {
    if (handle == 0 || handle > HANDLES || !table[handle].live || table[handle].resource != resource) return false;
    table[handle].live = false;
    return true;
}

bool wasi_nn_ml_handle(call_t *call, uint32_t resource, uint32_t handle, bool owned) {
    (void)call;
    (void)owned;
    return handle != 0 && handle <= HANDLES && table[handle].live && table[handle].resource == resource;
}

bool wasi_nn_tensor_constructor_tensor(call_t *call, wasi_nn_tensor_tensor_dimensions_t dimensions, wasi_nn_tensor_tensor_type_t ty, wasi_nn_tensor_tensor_data_t data, uint32_t *ret) {
    uint32_t handle = make(WASI_NN_TENSOR_TENSOR_RESOURCE), i;
    if (handle == 0 || dimensions.len > DIMENSIONS || data.len > BYTES) {
        call->trap = "the tensor is too large for this host";
        return false;
    }
    for (i = 0; i < dimensions.len; i++) {
        if (!wasi_nn_ml_u32_get(call, dimensions, i, &table[handle].dimensions[i])) return false;
    }
    memcpy(table[handle].data, wasi_nn_ml_at(call, data.ptr, data.len), data.len);
    table[handle].rank = dimensions.len;
    table[handle].type = ty;
    table[handle].size = data.len;
    *ret = handle;
    return true;
}

bool wasi_nn_tensor_method_tensor_dimensions(call_t *call, uint32_t self, wasi_nn_tensor_tensor_dimensions_t *ret) {
    uint32_t i;
    if (!wasi_nn_ml_list_new(call, table[self].rank, 4, 4, ret)) return false;
    for (i = 0; i < ret->len; i++) {
        if (!wasi_nn_ml_u32_set(call, *ret, i, table[self].dimensions[i])) return false;
    }
    return true;
}

bool wasi_nn_tensor_method_tensor_ty(call_t *call, uint32_t self, wasi_nn_tensor_tensor_type_t *ret) {
    (void)call;
    *ret = table[self].type;
    return true;
}

bool wasi_nn_tensor_method_tensor_data(call_t *call, uint32_t self, wasi_nn_tensor_tensor_data_t *ret) {
    if (!wasi_nn_ml_list_new(call, table[self].size, 1, 1, ret)) return false;
    memcpy(wasi_nn_ml_at(call, ret->ptr, ret->len), table[self].data, ret->len);
    return true;
}

bool wasi_nn_errors_method_error_code(call_t *call, uint32_t self, wasi_nn_errors_error_code_t *ret) {
    (void)call;
    *ret = table[self].type;
    return true;
}

bool wasi_nn_errors_method_error_data(call_t *call, uint32_t self, wasi_nn_ml_string_t *ret) {
    return wasi_nn_ml_string_new(call, table[self].data, table[self].size, ret);
}

static uint32_t error(wasi_nn_errors_error_code_t code, const char *text) {
    uint32_t handle = make(WASI_NN_ERRORS_ERROR_RESOURCE);
    table[handle].type = code;
    table[handle].size = (uint32_t)strlen(text);
    memcpy(table[handle].data, text, strlen(text));
    return handle;
}

bool wasi_nn_graph_load(call_t *call, wasi_nn_ml_list_t builder, wasi_nn_graph_graph_encoding_t encoding, wasi_nn_graph_execution_target_t target, wasi_nn_ml_result_wasi_nn_graph_own_graph_wasi_nn_errors_own_error_t *ret) {
    (void)call;
    (void)builder;
    (void)encoding;
    (void)target;
    ret->is_err = 1;
    ret->val.err = error(WASI_NN_ERRORS_ERROR_CODE_UNSUPPORTED_OPERATION, "this host has its own model");
    return ret->val.err != 0;
}

bool wasi_nn_graph_load_by_name(call_t *call, wasi_nn_ml_string_t name, wasi_nn_ml_result_wasi_nn_graph_own_graph_wasi_nn_errors_own_error_t *ret) {
    ret->is_err = name.len != 3 || memcmp(wasi_nn_ml_at(call, name.ptr, 3), "sum", 3) != 0;
    if (ret->is_err) ret->val.err = error(WASI_NN_ERRORS_ERROR_CODE_NOT_FOUND, "no such model");
    else ret->val.ok = make(WASI_NN_GRAPH_GRAPH_RESOURCE);
    return true;
}

bool wasi_nn_graph_method_graph_init_execution_context(call_t *call, uint32_t self, wasi_nn_ml_result_wasi_nn_inference_own_graph_execution_context_wasi_nn_errors_own_error_t *ret) {
    (void)call;
    (void)self;
    ret->val.ok = make(WASI_NN_INFERENCE_GRAPH_EXECUTION_CONTEXT_RESOURCE);
    return ret->val.ok != 0;
}

/* Takes all inputs, which the guest gives away, and answers with one tensor of one float: their sum. */
bool wasi_nn_inference_method_graph_execution_context_compute(call_t *call, uint32_t self, wasi_nn_ml_list_t inputs, wasi_nn_ml_result_list_wasi_nn_inference_named_tensor_wasi_nn_errors_own_error_t *ret) {
    wasi_nn_inference_named_tensor_t tensor;
    uint32_t i, j, result = make(WASI_NN_TENSOR_TENSOR_RESOURCE);
    float sum = 0.0f;
    (void)self;
    for (i = 0; i < inputs.len; i++) {
        if (!wasi_nn_inference_named_tensor_get(call, inputs, i, &tensor)) return false;
        for (j = 0; j + 4 <= table[tensor.f1].size; j += 4) {
            const uint8_t *p = table[tensor.f1].data + j;
            uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
            float value;
            memcpy(&value, &bits, 4);
            sum += value;
        }
        drop(WASI_NN_TENSOR_TENSOR_RESOURCE, tensor.f1);
    }
    memcpy(table[result].data, &sum, 4);
    table[result].size = 4;
    table[result].rank = 1;
    table[result].dimensions[0] = 1;
    table[result].type = WASI_NN_TENSOR_TENSOR_TYPE_FP32;
    if (!wasi_nn_ml_list_new(call, 1, 12, 4, &ret->val.ok)) return false;
    if (!wasi_nn_ml_string_new(call, "sum", 3, &tensor.f0)) return false;
    tensor.f1 = result;
    return wasi_nn_inference_named_tensor_set(call, ret->val.ok, 0, &tensor);
}

bool wasi_nn_tensor_tensor_drop_own(call_t *call, uint32_t self) {
    (void)call;
    return drop(WASI_NN_TENSOR_TENSOR_RESOURCE, self);
}

bool wasi_nn_errors_error_drop_own(call_t *call, uint32_t self) {
    (void)call;
    return drop(WASI_NN_ERRORS_ERROR_RESOURCE, self);
}

bool wasi_nn_inference_graph_execution_context_drop_own(call_t *call, uint32_t self) {
    (void)call;
    return drop(WASI_NN_INFERENCE_GRAPH_EXECUTION_CONTEXT_RESOURCE, self);
}

bool wasi_nn_graph_graph_drop_own(call_t *call, uint32_t self) {
    (void)call;
    return drop(WASI_NN_GRAPH_GRAPH_RESOURCE, self);
}

/* Loads the guest, and calls each of its exports: `sum`, `missing` and `forged`. */
int main(int count, char **args) {
    static uint8_t wasm[65536];
    static wasi_nn_ml_instance_t instance;
    static const char *const exports[] = {"sum", "missing", "forged"};
    char error_text[128];
    FILE *file = count > 1 ? fopen(args[1], "rb") : NULL;
    uint32_t size = file != NULL ? (uint32_t)fread(wasm, 1, sizeof wasm, file) : 0, i;
    wasm_module_t module;
    wasm_module_inst_t guest;
    if (size == 0 || !wasm_runtime_init() || !wasi_nn_ml_register()) return 2;
    module = wasm_runtime_load(wasm, size, error_text, sizeof error_text);
    guest = module != NULL ? wasm_runtime_instantiate(module, 65536, 0, error_text, sizeof error_text) : NULL;
    if (guest == NULL) {
        printf("%s\n", error_text);
        return 2;
    }
    wasm_runtime_set_custom_data(guest, &instance);
    instance.engine = wasm_runtime_create_exec_env(guest, 65536);
    for (i = 0; i < 3; i++) {
#if WASI_NN_ML_WAMR_MAJOR < 2
        wasm_function_inst_t function = wasm_runtime_lookup_function(guest, exports[i], NULL);
#else
        wasm_function_inst_t function = wasm_runtime_lookup_function(guest, exports[i]);
#endif
        uint32_t cells[1] = {0};
        if (function != NULL && wasm_runtime_call_wasm(instance.engine, function, 0, cells)) {
            printf("%s: %u\n", exports[i], (unsigned)cells[0]);
        } else {
            printf("%s: %s\n", exports[i], wasm_runtime_get_exception(guest));
            wasm_runtime_clear_exception(guest);
        }
    }
    for (i = 1, size = 0; i <= HANDLES; i++) size += table[i].live;
    printf("handles left: %u\n", (unsigned)size);
    return 0;
}
