#include "weights.h"

#include <map>
#include <sstream>
#include <tuple>

#include "model.h"

using namespace torch::jit;
using repsim::copy_text;
using repsim::guarded;

namespace {

using Identity = std::tuple<const void*, int64_t, std::vector<int64_t>, std::vector<int64_t>>;

// Names of one tensor that was saved and loaded are several tensors over the same elements.
Identity identity(const at::Tensor& tensor) {
  const void* storage = tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
  if (!storage || tensor.numel() == 0) storage = tensor.unsafeGetTensorImpl();
  return {storage, tensor.storage_offset(), tensor.sizes().vec(), tensor.strides().vec()};
}

class Lines {
 public:
  void add(const std::string& name, const at::Tensor& tensor, bool is_buffer) {
    const auto number = numbers_.emplace(identity(tensor), numbers_.size()).first->second;
    text_ << name << '\t' << is_buffer << '\t' << static_cast<int>(tensor.scalar_type()) << '\t'
          << number << '\t';
    for (const auto size : tensor.sizes()) text_ << size << ',';
    text_ << '\n';
  }

  std::string text() const { return text_.str(); }

 private:
  std::map<Identity, size_t> numbers_;
  std::ostringstream text_;
};

// The tensor of a dotted name.
at::Tensor named(const Module& root, const std::string& name) {
  Module module = root;
  size_t from = 0;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', from)) {
    module = module.attr(name.substr(from, dot - from)).toModule();
    from = dot + 1;
  }
  return module.attr(name.substr(from)).toTensor();
}

}  // namespace

extern "C" {

char* repsim_weights(repsim_model* model, char** error) {
  return guarded<char*>(error, nullptr, [&] {
    const auto& module = model->module;
    Lines lines;
    for (const auto& it : module.named_parameters()) lines.add(it.name, it.value, false);
    for (const auto& it : module.named_buffers()) lines.add(it.name, it.value, true);
    return copy_text(lines.text());
  });
}

int repsim_set_weight(repsim_model* model, const char* name, const void* tensor, char** error) {
  return guarded(error, 1, [&] {
    torch::NoGradGuard no_grad;
    auto target = named(model->module, name);
    const auto& values = *static_cast<const at::Tensor*>(tensor);
    TORCH_CHECK(target.sizes() == values.sizes(), "the shapes differ");
    target.copy_(values);
    return 0;
  });
}

}  // extern "C"
