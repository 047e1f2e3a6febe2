// libtft_libtorch.so: loads TorchScript modules and runs them. The only file that includes LibTorch.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/script.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "interface.h"

namespace {

struct Tensor {
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<std::int64_t> item;

  std::vector<std::int64_t> shape(std::int64_t batch) const {
    std::vector<std::int64_t> all{batch};
    all.insert(all.end(), item.begin(), item.end());
    return all;
  }
};

/// The allocator of the highest priority is used.
constexpr std::uint8_t kAboveOthers = 255;

/// The module cannot be the one of the model.
struct NotTheModel : std::runtime_error {
  using runtime_error::runtime_error;
};

/// The device is not there.
struct NoDevice : std::runtime_error {
  using runtime_error::runtime_error;
};

/// Keeps the memory that a run frees for the next run on the same thread. On other threads than the first,
/// C's library gives it back to the system after each run, and getting it again takes a third of the run.
class KeptMemory final : public c10::Allocator {
 public:
  /// While it lives, its thread is in a run.
  class Run {
   public:
    Run() { in_run() = true; }
    ~Run() { in_run() = false; }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
  };

  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    if (bytes > kMaxBlock) return made(bytes);
    // Powers of two, so that batches of other sizes can use it too.
    const std::size_t rounded = std::bit_ceil(std::max(bytes, kHeader));
    if (!in_run() || kept().by_size[rounded].empty()) return made(rounded);
    void* const memory = kept().by_size[rounded].back();
    kept().by_size[rounded].pop_back();
    kept().bytes -= rounded;
    return within(memory);
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  /// Before each block, with its size; a multiple of every alignment that LibTorch needs.
  static constexpr std::size_t kHeader = 64;
  /// Of one thread; blocks beyond are freed.
  static constexpr std::size_t kMaxKept = std::size_t{256} << 20;
  static constexpr std::size_t kMaxBlock = kMaxKept / 2;

  static c10::DataPtr made(std::size_t bytes) {
    void* const memory = std::aligned_alloc(kHeader, kHeader + (bytes + kHeader - 1) / kHeader * kHeader);
    if (memory == nullptr) throw std::bad_alloc();
    *static_cast<std::size_t*>(memory) = bytes;
    return within(memory);
  }

  static c10::DataPtr within(void* memory) {
    void* const data = static_cast<std::byte*>(memory) + kHeader;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  struct Kept {
    std::unordered_map<std::size_t, std::vector<void*>> by_size;
    std::size_t bytes = 0;
    ~Kept() {
      for (const auto& [size, blocks] : by_size)
        for (void* block : blocks) std::free(block);
    }
  };

  static Kept& kept() {
    thread_local Kept memory;
    return memory;
  }
  static bool& in_run() {
    thread_local bool value = false;
    return value;
  }

  static void release(void* data) {
    if (data == nullptr) return;
    void* const memory = static_cast<std::byte*>(data) - kHeader;
    const std::size_t bytes = *static_cast<std::size_t*>(memory);
    if (!in_run() || bytes > kMaxBlock || kept().bytes + bytes > kMaxKept) return std::free(memory);
    kept().by_size[bytes].push_back(memory);
    kept().bytes += bytes;
  }
};

std::vector<Tensor> copied(const TftLibTorchTensor* tensors, std::size_t count) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < count; ++i) {
    const TftLibTorchTensor& one = tensors[i];
    all.push_back(
        {one.name, one.is_int32 != 0 ? at::kInt : at::kFloat, {one.item, one.item + one.dimensions}});
  }
  return all;
}

/// Writes a message, cut off to fit. Of a failure within a module only the reason, which LibTorch puts after
/// the lines of the module's code and of the Python code that it was traced from.
void write(std::string message, char* error, std::size_t size) {
  if (error == nullptr || size == 0) return;
  constexpr std::string_view kReason = "\nRuntimeError: ";
  if (const std::size_t at = message.rfind(kReason); at != std::string::npos)
    message.erase(0, at + kReason.size());
  message.erase(message.find_last_not_of(" \n") + 1);
  const std::size_t length = std::min(message.size(), size - 1);
  std::memcpy(error, message.data(), length);
  error[length] = '\0';
}

/// Runs `work`, and turns whatever it throws into a status and a message.
template <class Work>
std::int32_t guarded(std::int32_t otherwise, char* error, std::size_t size, Work work) {
  try {
    work();
    return TFT_LIBTORCH_OK;
  } catch (const NotTheModel& problem) {
    write(problem.what(), error, size);
    return TFT_LIBTORCH_MODEL;
  } catch (const NoDevice& problem) {
    write(problem.what(), error, size);
    return TFT_LIBTORCH_DEVICE;
  } catch (const c10::OutOfMemoryError& problem) {
    write(problem.what_without_backtrace(), error, size);
    return TFT_LIBTORCH_MEMORY;
  } catch (const c10::Error& problem) {
    write(problem.what_without_backtrace(), error, size);
  } catch (const std::bad_alloc&) {
    write("the machine's memory does not suffice", error, size);
    return TFT_LIBTORCH_MEMORY;
  } catch (const std::exception& problem) {
    write(problem.what(), error, size);
  } catch (...) {
    write("LibTorch gives no reason", error, size);
  }
  return otherwise;
}

at::Device open_device(const char* name) {
  const at::Device device(name);
  if (device.is_cpu()) return device;
  // CUDA's part is a library of its own, some hundred MB: it registers itself when it is opened.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr)
    throw NoDevice(std::string("this LibTorch has no CUDA: ") + dlerror());
  const auto count = static_cast<int>(c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount());
  if (device.has_index() && device.index() >= count)
    throw NoDevice(std::string(name) + " does not exist: LibTorch sees " + std::to_string(count) + " GPUs");
  return device;
}

/// OpenMP keeps the number for each thread.
void use_threads(int threads) {
  thread_local int used = 0;
  if (used == threads) return;
  at::set_num_threads(threads);
  used = threads;
}

}  // namespace

struct TftLibTorchModule {
  torch::jit::Module module;
  at::Device device = at::kCPU;
  int threads = 1;
  std::vector<Tensor> inputs, outputs;
  std::vector<std::size_t> order;  // of `forward`'s arguments: the index of each one's input

  void match_arguments() {
    const auto& arguments = module.get_method("forward").function().getSchema().arguments();
    // The first is the module itself.
    if (arguments.size() != inputs.size() + 1)
      throw NotTheModel("its forward takes " + std::to_string(arguments.size() - 1) +
                        " tensors; the model has " + std::to_string(inputs.size()) + " inputs");
    constexpr std::size_t kNone = ~std::size_t{0};
    std::vector<bool> taken(inputs.size());
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      const auto found = std::find_if(inputs.begin(), inputs.end(),
                                      [&](const Tensor& input) { return input.name == arguments[i].name(); });
      const auto index = static_cast<std::size_t>(found - inputs.begin());
      if (found != inputs.end()) taken[index] = true;
      order.push_back(found == inputs.end() ? kNone : index);
    }
    for (std::size_t& place : order) {
      if (place != kNone) continue;
      place = static_cast<std::size_t>(std::find(taken.begin(), taken.end(), false) - taken.begin());
      taken[place] = true;
    }
  }

  std::vector<at::Tensor> results_of(const at::IValue& returned) const {
    std::vector<at::Tensor> results;
    if (returned.isTensor()) {
      results.push_back(returned.toTensor());
    } else if (returned.isTuple()) {
      for (const at::IValue& one : returned.toTupleRef().elements()) {
        if (!one.isTensor()) throw NotTheModel("it returns something that is not a tensor");
        results.push_back(one.toTensor());
      }
    } else {
      throw NotTheModel("it returns neither a tensor nor a tuple of tensors");
    }
    if (results.size() != outputs.size())
      throw NotTheModel("it returns " + std::to_string(results.size()) + " tensors; the model has " +
                        std::to_string(outputs.size()) + " outputs");
    return results;
  }

  void run(const void* const* in, std::int64_t batch, float* const* out) {
    const c10::InferenceMode no_gradients;
    use_threads(threads);
    std::vector<at::IValue> arguments;
    for (const std::size_t index : order) {
      // Never written to: the module was traced from a function that leaves its inputs as they are.
      at::Tensor input =
          at::from_blob(const_cast<void*>(in[index]), inputs[index].shape(batch), inputs[index].type);
      arguments.emplace_back(device.is_cpu() ? std::move(input) : input.to(device));
    }
    const std::vector<at::Tensor> results = results_of(module.forward(std::move(arguments)));
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::vector<std::int64_t> shape = outputs[i].shape(batch);
      if (results[i].scalar_type() != at::kFloat || results[i].sizes() != at::IntArrayRef(shape))
        throw NotTheModel("'" + outputs[i].name + "' has another type or shape than the model says");
      const at::Tensor result = results[i].cpu().contiguous();
      std::memcpy(out[i], result.const_data_ptr<float>(), result.nbytes());
    }
  }

  /// The tensors' shapes are only known once the module has run.
  void try_on_zeros() {
    std::vector<std::vector<float>> memory;
    std::vector<const void*> in;
    std::vector<float*> out;
    const auto add = [&](const Tensor& tensor) {
      return memory.emplace_back(static_cast<std::size_t>(c10::multiply_integers(tensor.item))).data();
    };
    for (const Tensor& tensor : inputs) in.push_back(add(tensor));
    for (const Tensor& tensor : outputs) out.push_back(add(tensor));
    run(in.data(), 1, out.data());
  }
};

extern "C" {

std::int32_t tft_libtorch_interface(void) { return TFT_LIBTORCH_INTERFACE; }

const char* tft_libtorch_version(void) { return TORCH_VERSION; }

std::int32_t tft_libtorch_load(const char* file, const char* device, std::int32_t threads,
                               const TftLibTorchShape* shape, TftLibTorchModule** module, char* error,
                               std::size_t error_size) {
  return guarded(TFT_LIBTORCH_MODEL, error, error_size, [&] {
    static std::once_flag once;
    std::call_once(once, [] {
      c10::SetCPUAllocator(new KeptMemory, kAboveOthers);
      // LibTorch lets cuDNN round the LSTM's products to TF32, which moves forecasts by 7e-4 of the spread.
      at::globalContext().setAllowTF32CuDNN(false);
      at::globalContext().setAllowTF32CuBLAS(false);
    });
    auto made = std::make_unique<TftLibTorchModule>();
    made->device = open_device(device);
    made->threads = threads;
    made->inputs = copied(shape->inputs, shape->input_count);
    made->outputs = copied(shape->outputs, shape->output_count);
    torch::jit::Module loaded = torch::jit::load(file, made->device);
    loaded.eval();
    made->module = torch::jit::freeze(loaded);
    made->match_arguments();
    made->try_on_zeros();
    *module = made.release();
  });
}

std::int32_t tft_libtorch_run(TftLibTorchModule* module, const void* const* inputs, std::int64_t batch,
                              float* const* outputs, char* error, std::size_t error_size) {
  const KeptMemory::Run run;
  return guarded(TFT_LIBTORCH_RUN, error, error_size, [&] { module->run(inputs, batch, outputs); });
}

void tft_libtorch_free(TftLibTorchModule* module) { delete module; }
}
