// Whether what a model returns went through a sigmoid or a softmax last.
#pragma once
#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <unordered_map>
#include <vector>

namespace repsim {

// Follows tensors from sigmoids, and from softmaxes of which an entry may be taken alone, through the
// operators of this thread, for as long as it lives: through those that move values, and those that
// combine a few of them element by element (`1 - p`, `p * mask`, `torch.cat`). A layer that mixes
// channels ends the way.
class SigmoidTracker {
 public:
  SigmoidTracker();
  ~SigmoidTracker();
  SigmoidTracker(const SigmoidTracker&) = delete;
  SigmoidTracker& operator=(const SigmoidTracker&) = delete;

  // Of what a model returned whether it comes from either: one entry, or one an element of a tuple
  // or list.
  std::vector<bool> endings(const c10::IValue& returned) const;

 private:
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function);
  static void end(const at::RecordFunction& function, at::ObserverContext* context);

  using Weak = c10::weak_intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>;

  bool find(const at::Tensor& tensor) const;

  at::CallbackHandle handle_;
  SigmoidTracker* previous_;
  // Weak references keep the addresses from being used again.
  std::unordered_map<const at::TensorImpl*, Weak> found_;
};

}  // namespace repsim
