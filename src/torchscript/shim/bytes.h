// The bytes of an archive, read through a function of the caller's.
#pragma once
#include <caffe2/serialize/read_adapter_interface.h>

#include "shim.h"

namespace repsim {

class Bytes : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit Bytes(repsim_bytes bytes) : bytes_(bytes) {}

  size_t size() const override { return bytes_.size; }

  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    if (position > bytes_.size || count > bytes_.size - position) return 0;
    return bytes_.read(bytes_.context, position, buffer, count);
  }

 private:
  repsim_bytes bytes_;
};

}  // namespace repsim
