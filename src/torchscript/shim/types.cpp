#include "types.h"

#include <torch/csrc/jit/ir/constants.h>

#include "model.h"

using namespace torch::jit;

namespace repsim {

void place_devices(Block* block, const at::Device& device) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) place_devices(inner, device);
    if (node->kind() != prim::Constant) continue;
    if (node->output()->type()->kind() != TypeKind::DeviceObjType) continue;
    node->s_(attr::value, device.str());
  }
}

namespace {

void cast_constants(Block* block, at::ScalarType type) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) cast_constants(inner, type);
    if (node->kind() != prim::Constant || !node->hasAttribute(attr::value)) continue;
    if (node->kindOf(attr::value) != AttributeKind::t) continue;
    const auto tensor = node->t(attr::value);
    if (!tensor.is_floating_point() || tensor.is_quantized()) continue;
    node->t_(attr::value, tensor.to(type));
    node->output()->inferTypeFrom(node->t(attr::value));
  }
}

}  // namespace

}  // namespace repsim

extern "C" {

int repsim_float_type(const repsim_model* model) {
  const auto holds = [](const at::Tensor& tensor) { return tensor.defined() && tensor.is_floating_point(); };
  for (const auto& parameter : model->module.parameters())
    if (holds(parameter)) return static_cast<int>(parameter.scalar_type());
  for (const auto& buffer : model->module.buffers())
    if (holds(buffer)) return static_cast<int>(buffer.scalar_type());
  return -1;
}

int repsim_cast(repsim_model* model, int type, char** error) {
  return repsim::guarded(error, 1, [&] {
    const auto wanted = static_cast<at::ScalarType>(type);
    model->module.to(wanted);
    repsim::cast_constants(model->tapped->block(), wanted);
    return 0;
  });
}

}  // extern "C"
