#include "shared.h"

#include <sstream>

namespace repsim {

using torch::jit::Module;

namespace {

const c10::ivalue::Object* object_of(const Module& module) { return module._ivalue().get(); }

std::string class_of(const Module& module) {
  const auto name = module.type()->name();
  return name ? name->name() : "";
}

std::string below(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

bool is_below(const std::string& path, const std::string& parent) {
  return parent.empty() || path.rfind(parent + ".", 0) == 0;
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// Where a tensor lies and how it is laid out there.
std::string place_of(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.data_ptr() << tensor.sizes() << tensor.strides() << tensor.scalar_type();
  return text.str();
}

}  // namespace

SharedNames::SharedNames(const Module& root) { note(root, ""); }

// Returns the names and places of a module's tensors, those of its children included.
std::vector<std::string> SharedNames::note(const Module& module, const std::string& path) {
  std::vector<std::string> tensors;
  const auto type = module.type();
  for (size_t slot = 0; slot < type->numAttributes(); slot++) {
    const auto value = module._ivalue()->getSlot(slot);
    const auto& name = type->getAttributeName(slot);
    if (value.isModule()) {
      for (const auto& inner : note(Module(value.toModule()), below(path, name)))
        tensors.push_back(name + "." + inner);
    } else if (value.isTensor() && value.toTensor().defined() && value.toTensor().has_storage() &&
               value.toTensor().numel() > 0) {
      tensors.push_back(name + " " + place_of(value.toTensor()));
    }
  }
  if (tensors.empty()) return tensors;
  std::string key = class_of(module);
  for (const auto& tensor : tensors) key += "\n" + tensor;
  names_.emplace(object_of(module), first_.emplace(key, path).first->second);
  return tensors;
}

const std::string& SharedNames::of(const Module& module, const std::string& path) const {
  const auto found = names_.find(object_of(module));
  return found == names_.end() ? path : found->second;
}

bool SharedNames::holds_tensors(const Module& module) const {
  return names_.count(object_of(module)) > 0;
}

void CallSites::saw(const Module& callee, const std::string& caller) {
  callers_[object_of(callee)].insert(caller);
}

void CallSites::begin(const std::string& path, const Module& module) {
  running_.insert_or_assign(path, Running{module});
}

// Whether a child is the module that a trace calls by another name: one of its class that is not
// called by its own.
bool CallSites::stands_for(const Module& child, const Module& callee) const {
  return callers_.count(object_of(child)) == 0 && class_of(child) == class_of(callee);
}

std::string CallSites::name(const std::string& caller, const Module& callee,
                            const std::string& path) {
  const auto parent = running_.find(caller);
  if (parent == running_.end() || path == caller) return path;
  if (class_of(parent->second.module) == "Sequential")
    return of_sequence(caller, parent->second, callee, path);
  const auto found = callers_.find(object_of(callee));
  const bool is_shared = found != callers_.end() && found->second.size() > 1;
  const bool is_own = path == below(caller, last_part(path));
  const bool is_foreign = !is_below(path, caller);
  if (is_own || (!is_shared && !is_foreign)) return path;
  return of_child(caller, parent->second.module, callee, path);
}

// A Sequential calls its children in their order.
std::string CallSites::of_sequence(const std::string& caller, Running& running, const Module& callee,
                                   const std::string& path) const {
  size_t place = 0;
  for (const auto& child : running.module.named_children()) {
    if (place++ < running.next) continue;
    const bool is_callee = object_of(child.value) == object_of(callee);
    if (!is_callee && !stands_for(child.value, callee)) continue;
    running.next = place;
    return is_callee && is_below(path, caller) ? path : below(caller, child.name);
  }
  return path;
}

std::string CallSites::of_child(const std::string& caller, const Module& parent,
                                const Module& callee, const std::string& path) const {
  std::string found;
  for (const auto& child : parent.named_children()) {
    if (!stands_for(child.value, callee)) continue;
    if (child.name == last_part(path)) return below(caller, child.name);
    if (found.empty()) found = below(caller, child.name);
  }
  return found.empty() ? path : found;
}

}  // namespace repsim
