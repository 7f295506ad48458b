#include <ATen/Context.h>
#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <caffe2/core/common.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <cstring>
#include <vector>

#include "model.h"
#include "shim.h"

using repsim::guarded;

// Memory goes back to the stream that it was taken on, whoever reads it still. So nothing is freed between a fork and
// its join that another stream reads: a stream takes memory again only behind the next fork, where it waits for the main
// stream, and that has waited for all others.
struct repsim_streams {
  c10::impl::VirtualGuardImpl guard{c10::kCUDA};
  c10::Stream main, copies;
  std::vector<c10::Stream> own;
  std::vector<c10::Event> done;
  c10::Event begun{c10::kCUDA}, copied{c10::kCUDA};

  repsim_streams(c10::Device device, size_t count)
      : main(guard.getStream(device)), copies(guard.getNewStream(device)) {
    for (size_t i = 0; i < count; i++) {
      own.push_back(guard.getNewStream(device));
      done.emplace_back(c10::kCUDA);
    }
  }
};

extern "C" {

void repsim_set_tf32(int allowed) {
  auto& context = at::globalContext();
  context.setAllowTF32CuBLAS(allowed != 0);
  context.setAllowTF32CuDNN(allowed != 0);
  context.setDeterministicCuDNN(true);
}

int repsim_has_short_floats() {
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

void* repsim_upload(const float* values, const int64_t* shape, size_t axes, int64_t device, char** error) {
  return guarded<void*>(error, nullptr, [&]() -> void* {
    const auto options = at::TensorOptions().dtype(at::kFloat).pinned_memory(true);
    const auto pinned = at::empty(at::IntArrayRef(shape, axes), options);
    std::memcpy(pinned.data_ptr(), values, pinned.nbytes());
    const c10::Device to(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
    return new at::Tensor(pinned.to(to, /*non_blocking=*/true));
  });
}

repsim_streams* repsim_streams_new(int64_t device, size_t count, char** error) {
  return guarded<repsim_streams*>(error, nullptr, [&] {
    return new repsim_streams({c10::kCUDA, static_cast<c10::DeviceIndex>(device)}, count);
  });
}

void repsim_drop_streams(repsim_streams* streams) { delete streams; }

int repsim_fork(repsim_streams* streams, char** error) {
  return guarded(error, 1, [&] {
    streams->copied.record(streams->copies);
    streams->begun.record(streams->main);
    streams->copied.block(streams->main);
    streams->begun.block(streams->copies);
    for (const auto& own : streams->own) {
      streams->begun.block(own);
      streams->copied.block(own);
    }
    return 0;
  });
}

int repsim_join(repsim_streams* streams, char** error) {
  return guarded(error, 1, [&] {
    for (size_t i = 0; i < streams->own.size(); i++) {
      streams->done[i].record(streams->own[i]);
      streams->done[i].block(streams->main);
    }
    return 0;
  });
}

int repsim_use_stream(repsim_streams* streams, int64_t which, char** error) {
  return guarded(error, 1, [&] {
    const auto stream = which == -1   ? streams->main
                        : which == -2 ? streams->copies
                                      : streams->own.at(static_cast<size_t>(which));
    streams->guard.exchangeStream(stream);
    return 0;
  });
}

const char* repsim_libtorch_version() {
  const auto& built = caffe2::GetBuildOptions();
  const auto found = built.find("TORCH_VERSION");
  return found == built.end() ? TORCH_VERSION : found->second.c_str();
}

const char* repsim_libtorch_file() {
  Dl_info found{};
  const auto* const of_it = reinterpret_cast<const void*>(&caffe2::GetBuildOptions);
  return dladdr(of_it, &found) != 0 ? found.dli_fname : nullptr;
}

}  // extern "C"
