// The C interface of libtft_libtorch.so, which runs TorchScript modules with LibTorch. Plain C types only:
// the library is compiled for one LibTorch, and opened by an engine that knows nothing of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The version of this interface; a library of another version is refused.
#define TFT_LIBTORCH_INTERFACE 1

enum TftLibTorchStatus {
  TFT_LIBTORCH_OK = 0,
  TFT_LIBTORCH_MODEL = 1,   // the file is not a module, or its arguments or results are not the model's
  TFT_LIBTORCH_DEVICE = 2,  // this LibTorch or this machine does not have the device
  TFT_LIBTORCH_RUN = 3,     // the run failed
  TFT_LIBTORCH_MEMORY = 4   // there is not enough memory
};

struct TftLibTorchTensor {
  const char* name;
  int32_t is_int32;     // otherwise float32
  const int64_t* item;  // the shape without the batch
  size_t dimensions;    // of `item`
};

/// What a module takes and returns. An argument of its `forward` takes the input of its name; arguments whose
/// names are none of the inputs' take the remaining inputs in order. The results are the outputs in order,
/// one tensor or a tuple.
struct TftLibTorchShape {
  const struct TftLibTorchTensor* inputs;
  size_t input_count;
  const struct TftLibTorchTensor* outputs;  // all float32
  size_t output_count;
};

typedef struct TftLibTorchModule TftLibTorchModule;

typedef int32_t TftLibTorchInterface(void);
/// LibTorch's version, such as "2.15.0".
typedef const char* TftLibTorchVersion(void);
/// Loads a module onto a device, "cpu" or "cuda:0", and runs it once on zeros. `threads` share a run on the
/// CPU. On failure `error` receives a message that ends with a zero, cut off after `error_size` bytes.
typedef int32_t TftLibTorchLoad(const char* file, const char* device, int32_t threads,
                                const struct TftLibTorchShape* shape, TftLibTorchModule** module, char* error,
                                size_t error_size);
/// Runs `batch` series: an array for each input and each output, in the order of the shape. Several threads
/// may run one module at once.
typedef int32_t TftLibTorchRun(TftLibTorchModule* module, const void* const* inputs, int64_t batch,
                               float* const* outputs, char* error, size_t error_size);
typedef void TftLibTorchFree(TftLibTorchModule* module);

// The names under which a library exports these.
#define TFT_LIBTORCH_INTERFACE_SYMBOL "tft_libtorch_interface"
#define TFT_LIBTORCH_VERSION_SYMBOL "tft_libtorch_version"
#define TFT_LIBTORCH_LOAD_SYMBOL "tft_libtorch_load"
#define TFT_LIBTORCH_RUN_SYMBOL "tft_libtorch_run"
#define TFT_LIBTORCH_FREE_SYMBOL "tft_libtorch_free"

#define TFT_LIBTORCH_EXPORT __attribute__((visibility("default")))

TFT_LIBTORCH_EXPORT TftLibTorchInterface tft_libtorch_interface;
TFT_LIBTORCH_EXPORT TftLibTorchVersion tft_libtorch_version;
TFT_LIBTORCH_EXPORT TftLibTorchLoad tft_libtorch_load;
TFT_LIBTORCH_EXPORT TftLibTorchRun tft_libtorch_run;
TFT_LIBTORCH_EXPORT TftLibTorchFree tft_libtorch_free;

#ifdef __cplusplus
}
#endif
