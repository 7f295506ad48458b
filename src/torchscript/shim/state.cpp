#include "state.h"

#include <ATen/MemoryOverlap.h>

#include <algorithm>
#include <set>
#include <utility>

namespace repsim {

using namespace torch::jit;

namespace {

bool is_kept(const Module& owner, size_t slot) {
  const auto type = owner.type();
  return !type->is_parameter(slot) && !type->getAttribute(slot)->is_module() &&
         type->getAttribute(slot)->kind() != c10::TypeKind::FunctionType;
}

bool are_equal(const at::Tensor& now, const at::Tensor& before) {
  if (!now.defined() || !before.defined()) return now.defined() == before.defined();
  if (now.sizes() != before.sizes() || now.scalar_type() != before.scalar_type()) return false;
  // A NaN is what it was.
  return now.eq(before).logical_or(now.ne(now).logical_and(before.ne(before))).all().item<bool>();
}

bool is_container(const c10::IValue& value) {
  return value.isList() || value.isTuple() || value.isObject() || value.isGenericDict();
}

// Whether a value holds what another does, which may be a copy of it: lists, tuples, dictionaries and
// objects by what is in them. What is held in many places is looked at once.
class Likeness {
 public:
  bool of(const c10::IValue& now, const c10::IValue& before) {
    if (now.tagKind() != before.tagKind()) return false;
    if (now.isCustomClass()) return true;
    if (now.isTensor()) return are_equal(now.toTensor(), before.toTensor());
    if (!is_container(now)) return now == before;
    const auto pair = std::make_pair(now.internalToPointer(), before.internalToPointer());
    return !compared_.insert(pair).second || of_container(now, before);
  }

 private:
  bool of_container(const c10::IValue& now, const c10::IValue& before) {
    if (now.isList()) return of_all(now.toListRef(), before.toListRef());
    if (now.isTuple()) return of_all(now.toTupleRef().elements().vec(), before.toTupleRef().elements().vec());
    if (now.isObject()) return of_all(now.toObjectRef().slots(), before.toObjectRef().slots());
    const auto mine = now.toGenericDict(), other = before.toGenericDict();
    return mine.size() == other.size() && std::all_of(mine.begin(), mine.end(), [&](const auto& entry) {
             const auto found = other.find(entry.key());
             return found != other.end() && of(entry.value(), found->value());
           });
  }

  bool of_all(c10::ArrayRef<c10::IValue> now, c10::ArrayRef<c10::IValue> before) {
    const auto same = [this](const auto& one, const auto& other) { return of(one, other); };
    return std::equal(now.begin(), now.end(), before.begin(), before.end(), same);
  }

  std::set<std::pair<const void*, const void*>> compared_;
};

bool is_same(const c10::IValue& now, const c10::IValue& value, const c10::IValue& copy) {
  if (now.isTensor() || value.isTensor()) return now.isTensor() && now.is(value);
  if (is_container(now)) return Likeness().of(now, copy);
  if (now.isInt() || now.isDouble() || now.isBool() || now.isString() || now.isNone())
    return now.tagKind() == value.tagKind() && now == value;
  return now.is(value);
}

// Whether it holds values more than once, as expand makes it: libtorch writes into no such tensor, so that it is as it was.
bool repeats(const at::Tensor& tensor) { return at::has_internal_overlap(tensor) == at::MemOverlap::Yes; }

}  // namespace

State::State(const Module& module) {
  for (const auto& [path, owner] : module.named_modules()) {
    for (size_t slot = 0; slot < owner.type()->numAttributes(); slot++) {
      if (!is_kept(owner, slot)) continue;
      const auto& name = owner.type()->getAttributeName(slot);
      const auto value = owner._ivalue()->getSlot(slot);
      if (value.isCustomClass()) continue;  // packed weights of quantised layers: nothing writes into them
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
    if (written || !is_same(now, it.value, it.copy)) names.push_back(it.path);
  }
  return names;
}

void State::restore() const {
  torch::NoGradGuard no_grad;
  for (const auto& it : attributes_) {
    Module owner = it.owner;
    const auto now = owner.attr(it.name);
    const bool same = now.isTensor() && now.is(it.value) && now.toTensor().sizes() == it.copy.toTensor().sizes();
    const bool writable = same && now.toTensor().defined() && !repeats(now.toTensor());
    if (writable) now.toTensor().copy_(it.copy.toTensor());
    else if (!same) owner.setattr(it.name, it.copy.deepcopy());
  }
}

}  // namespace repsim
