#include "shared.h"

#include <algorithm>
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

// Whether a value is numbers, flags and texts.
bool is_plain(const c10::IValue& value) {
  if (value.isTuple()) {
    const auto& parts = value.toTupleRef().elements();
    return std::all_of(parts.begin(), parts.end(), is_plain);
  }
  return value.isNone() || value.isBool() || value.isInt() || value.isDouble() || value.isString() ||
         value.isIntList() || value.isDoubleList() || value.isBoolList();
}

}  // namespace

SharedNames::SharedNames(const Module& root) {
  note(root, "");
  for (const auto& [key, same] : alike_) settle(same);
}

// Returns what a module holds: its tensors' names and places, its plain attributes, and its children's.
SharedNames::Contents SharedNames::note(const Module& module, const std::string& path) {
  Contents contents;
  const auto type = module.type();
  for (size_t slot = 0; slot < type->numAttributes(); slot++) {
    const auto value = module._ivalue()->getSlot(slot);
    const auto& name = type->getAttributeName(slot);
    std::ostringstream line;
    if (value.isModule()) {
      const Module child(value.toModule());
      const auto inner = note(child, below(path, name));
      contents.has_tensors |= inner.has_tensors;
      contents.text += name + " " + class_of(child) + "{\n" + inner.text + "}\n";
    } else if (value.isTensor() && value.toTensor().defined() && value.toTensor().has_storage() &&
               value.toTensor().numel() > 0) {
      contents.has_tensors = true;
      contents.text += name + " " + place_of(value.toTensor()) + "\n";
    } else if (is_plain(value)) {
      line << name << " " << value << "\n";
      contents.text += line.str();
    }
  }
  if (contents.has_tensors) alike_[class_of(module) + "\n" + contents.text].push_back({path, module});
  return contents;
}

// Names modules that hold the same. A script compiles one module that has two names to one type, and
// layers whose constants differ to several. A trace gives each name a type, and code to one name of a
// module only.
void SharedNames::settle(const std::vector<Named>& same) {
  std::unordered_map<const void*, std::string> first;
  std::unordered_set<const void*> with_code;
  size_t callable = 0;
  for (const auto& [path, module] : same) {
    const auto type = module.type();
    first.emplace(type.get(), path);
    if (type->methods().empty()) continue;
    with_code.insert(type.get());
    callable++;
  }
  const bool is_one = with_code.size() <= 1;
  for (const auto& [path, module] : same) {
    names_.emplace(object_of(module), is_one ? same[0].path : first.at(module.type().get()));
    if (callable > 1) unsure_.insert(object_of(module));
  }
}

const std::string& SharedNames::of(const Module& module, const std::string& path) const {
  const auto found = names_.find(object_of(module));
  return found == names_.end() ? path : found->second;
}

bool SharedNames::may_be_several(const Module& module) const {
  return unsure_.count(object_of(module)) > 0;
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
