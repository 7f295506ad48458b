// Follows what of the input the values of a run depend on.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "spread.h"

namespace repsim {

// Follows the rows and columns of an input N×C×H×W through the operators of this thread, for as long as it lives. An
// operator with a rule is seen as a whole, one without by its parts; what comes of one that has neither is
// not known.
class FieldTracker {
 public:
  explicit FieldTracker(const at::Tensor& input);
  ~FieldTracker();
  FieldTracker(const FieldTracker&) = delete;
  FieldTracker& operator=(const FieldTracker&) = delete;

  // Null where a tensor depends on nothing of the input.
  const Bounds* find(const at::Tensor& tensor) const;

  // Operators that are not known, in the order in which they ran.
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function);
  static void end(const at::RecordFunction& function, at::ObserverContext* context);

  using Weak = c10::weak_intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>;

  void take(const Step& step, bool known, const std::vector<at::Tensor>& outputs);
  std::optional<Bounds> found(const Step& step, const at::Tensor& output, size_t place);
  void lose(const Step& step, const at::Tensor& output);
  void set(const at::Tensor& tensor, Bounds bounds);
  void write(const at::Tensor& tensor, Bounds bounds);

  at::CallbackHandle handle_;
  FieldTracker* previous_;
  bool inside_ = false;  // an operator whose parts are not looked at
  bool read_ = false;    // numbers came of the input: what is computed from now on may depend on all of it
  size_t sets_ = 0;
  // Weak references keep the addresses from being used again, and no memory of the values.
  std::unordered_map<const at::TensorImpl*, std::pair<Weak, Bounds>> bounds_;
  std::vector<c10::Storage> parted_;  // memory of which a part was written
  mutable std::unordered_map<const at::TensorImpl*, Bounds> doubtful_;
  std::vector<std::string> unknown_;
};

}  // namespace repsim
