#include "state.h"

namespace repsim {

using namespace torch::jit;

namespace {

bool is_kept(const Module& owner, size_t slot) {
  const auto type = owner.type();
  return !type->is_parameter(slot) && !type->getAttribute(slot)->is_module() &&
         type->getAttribute(slot)->kind() != c10::TypeKind::FunctionType;
}

bool is_same(const c10::IValue& now, const c10::IValue& before) {
  if (now.isTensor() || before.isTensor()) return now.isTensor() && now.is(before);
  if (now.isInt() || now.isDouble() || now.isBool() || now.isString() || now.isNone())
    return now.tagKind() == before.tagKind() && now == before;
  return now.is(before);
}

}  // namespace

State::State(const Module& module) {
  for (const auto& [path, owner] : module.named_modules()) {
    for (size_t slot = 0; slot < owner.type()->numAttributes(); slot++) {
      if (!is_kept(owner, slot)) continue;
      const auto& name = owner.type()->getAttributeName(slot);
      const auto value = owner._ivalue()->getSlot(slot);
      const auto version = value.isTensor() && value.toTensor().defined() ? value.toTensor()._version() : 0;
      attributes_.push_back({owner, path.empty() ? name : path + "." + name, name, value,
                             value.deepcopy(), version});
    }
  }
}

std::vector<std::string> State::changed() const {
  std::vector<std::string> names;
  for (const auto& it : attributes_) {
    const auto now = it.owner.attr(it.name);
    const bool written = now.isTensor() && now.toTensor().defined() && now.toTensor()._version() != it.version;
    if (written || !is_same(now, it.value)) names.push_back(it.path);
  }
  return names;
}

void State::restore() const {
  torch::NoGradGuard no_grad;
  for (const auto& it : attributes_) {
    Module owner = it.owner;
    const auto now = owner.attr(it.name);
    const bool same = now.isTensor() && now.is(it.value) && now.toTensor().sizes() == it.copy.toTensor().sizes();
    if (same && now.toTensor().defined()) now.toTensor().copy_(it.copy.toTensor());
    else if (!same) owner.setattr(it.name, it.copy.deepcopy());
  }
}

}  // namespace repsim
