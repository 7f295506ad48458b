#include "judge.h"

#include <sys/mman.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/operator_upgraders/upgraders_entry.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/csrc/jit/serialization/import_source.h>
#include <torch/csrc/jit/serialization/unpickler.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "allowed.h"
#include "defaults.h"
#include "inlined.h"

namespace repsim {

using namespace torch::jit;
using caffe2::serialize::PyTorchStreamReader;

namespace {

// The most operators of a function with those of all that it calls: calls are inlined.
constexpr uint64_t kMostNodes = uint64_t{1} << 20;

// Collects what reaches beyond the model from all that a compilation unit holds.
class Collector {
 public:
  std::set<std::string> found;

  // Looking at a function may compile another.
  void unit(CompilationUnit& unit) {
    size_t before = 0;
    do {
      before = functions_.size() + types_.size();
      for (Function* it : unit.get_functions()) function(*it);
      while (!classes_.empty()) {
        const auto next = classes_.back();
        classes_.pop_back();
        members(*next);
      }
    } while (functions_.size() + types_.size() > before);
  }

  void type(const c10::TypePtr& type) {
    if (!type || !types_.insert(type.get()).second) return;
    kept_.push_back(type);
    const auto name = reaching_itself(*type);
    if (!name.empty()) found.insert(name);
    if (auto class_type = type->cast<c10::ClassType>()) classes_.push_back(class_type);
    if (auto called = type->cast<c10::FunctionType>())
      if (!tryToGraphFunction(*called->function())) found.insert(called->function()->qualname().qualifiedName());
    for (const auto& inner : type->containedTypes()) this->type(inner);
  }

  void value(const IValue& root) {
    IValue::HashIdentityIValues seen;
    root.visit([&](const IValue& it) {
      if (it.isObject() || it.isEnum()) type(it.type());
      return it.isTensor() || !it.isPtrType() || !seen.insert(it).second;
    });
  }

 private:
  void members(const c10::ClassType& owner) {
    for (const auto& attribute : owner.getAttributes()) type(attribute.getType());
    for (size_t i = 0; i < owner.numConstants(); i++) value(owner.getConstant(i));
    for (Function* method : owner.methods()) function(*method);
    for (Function* hook : owner.getForwardHooks()) function(*hook);
    for (Function* hook : owner.getForwardPreHooks()) function(*hook);
  }

  void function(Function& function) {
    auto* graph_function = tryToGraphFunction(function);
    if (!graph_function || !functions_.insert(graph_function).second) return;
    graph_function->ensure_defined();
    block(*graph_function->graph()->block());
    TORCH_CHECK(sizes_.of(function) <= kMostNodes, "its functions call each other so often that their code has ",
                "more than ", kMostNodes, " operators");
    for (const auto& argument : function.getSchema().arguments()) {
      type(argument.type());
      if (argument.default_value()) value(*argument.default_value());
    }
  }

  void block(const Block& block) {
    for (const Value* input : block.inputs()) type(input->type());
    for (const Node* it : block.nodes()) node(*it);
  }

  void node(const Node& node) {
    const auto* schema = node.maybeSchema();
    if (!is_allowed(node.kind(), schema)) found.insert(node.kind().toQualString());
    for (const Value* output : node.outputs()) type(output->type());
    for (const Block* inner : node.blocks()) block(*inner);
    for (const auto& name : node.attributeNames()) attribute(node, name);
  }

  void attribute(const Node& node, const Symbol& name) {
    switch (node.kindOf(name)) {
      case AttributeKind::g: block(*node.g(name)->block()); break;
      case AttributeKind::gs:
        for (const auto& graph : node.gs(name)) block(*graph->block());
        break;
      case AttributeKind::ival: value(node.ival(name)); break;
      case AttributeKind::ty: type(node.ty(name)); break;
      case AttributeKind::tys:
        for (const auto& it : node.tys(name)) type(it);
        break;
      default: break;
    }
  }

  InlinedSizes sizes_;
  std::unordered_set<const c10::Type*> types_;
  std::unordered_set<const Function*> functions_;
  std::vector<c10::ClassTypePtr> classes_;
  std::vector<c10::TypePtr> kept_;
};

// Memory of zeros that stands for every weight: nothing is read, and nothing is taken.
class Zeros {
 public:
  explicit Zeros(size_t size) : size_(std::max<size_t>(size, 1)) {
    memory_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TORCH_CHECK(memory_ != MAP_FAILED, "not enough memory for its weights");
  }
  ~Zeros() { munmap(memory_, size_); }
  Zeros(const Zeros&) = delete;
  Zeros& operator=(const Zeros&) = delete;

  void* get() const { return memory_; }

 private:
  void* memory_;
  size_t size_;
};

size_t largest_record(PyTorchStreamReader& reader) {
  size_t largest = 0;
  for (const auto& name : reader.getAllRecords())
    largest = std::max(largest, reader.getRecordSize(name));
  return largest;
}

bool runs_on_loading(const c10::ClassType& type) {
  return type.findMethod("__setstate__") && type.findMethod("__getstate__");
}

// Reads an archive without running anything of it.
class FirstLook {
 public:
  explicit FirstLook(PyTorchStreamReader& reader)
      : reader_(reader), unit_(std::make_shared<CompilationUnit>()), zeros_(largest_record(reader)),
        importer_(unit_, &constants_, [this](const std::string& name) { return source(name); },
                  reader.version()) {}

  void run() {
    populate_upgraders_graph_map();
    const auto constants = pickled("constants").toTuple();
    for (const auto& constant : constants->elements()) constants_.push_back(constant);
    in_constants_ = false;
    collector_.value(pickled("data"));
    collector_.unit(*unit_);
  }

  std::set<std::string>& found() { return collector_.found; }

 private:
  std::shared_ptr<Source> source(const std::string& qualifier) {
    std::string path = qualifier;
    std::replace(path.begin(), path.end(), '.', '/');
    path = "code/" + path + ".py";
    if (!reader_.hasRecord(path)) return nullptr;
    const auto [data, size] = reader_.getRecord(path);
    const auto* text = static_cast<const char*>(data.get());
    auto source = std::make_shared<Source>(std::string(text, text + size), path, 1, nullptr);
    refuse_code_in_defaults(source);
    return source;
  }

  IValue pickled(const std::string& archive) {
    const auto [data, size] = reader_.getRecord(archive + ".pkl");
    const char* bytes = static_cast<const char*>(data.get());
    size_t at = 0;
    const auto read = [&](char* buffer, size_t count) {
      const size_t given = std::min(count, size - at);
      std::copy_n(bytes + at, given, buffer);
      at += given;
      return given;
    };
    const auto resolve = [this](const c10::QualifiedName& name) {
      auto type = importer_.loadType(name);
      collector_.type(type);
      return c10::StrongTypePtr(unit_, std::move(type));
    };
    const auto make = [this](const c10::StrongTypePtr& type, IValue state) { return object(type, state); };
    const auto record = [this](const std::string&) { return at::DataPtr(zeros_.get(), at::kCPU); };
    Unpickler unpickler(read, resolve, make, record, at::Device(at::kCPU));
    return unpickler.parse_ivalue();
  }

  c10::intrusive_ptr<c10::ivalue::Object> object(const c10::StrongTypePtr& type, const IValue& state) {
    const auto class_type = type.type_->expect<c10::ClassType>();
    const size_t count = class_type->numAttributes();
    auto made = c10::ivalue::Object::create(type, count);
    if (runs_on_loading(*class_type)) {
      // The compiler looks into constants: what code would put into them is not known before it ran.
      const bool is_own = tryToGraphFunction(class_type->getMethod("__setstate__"));
      if (in_constants_ && is_own) found().insert("__setstate__ of a constant");
      return made;
    }
    const auto attributes = state.toGenericDict();
    for (size_t i = 0; i < count; i++) made->setSlot(i, attributes.at(class_type->getAttributeName(i)));
    return made;
  }

  PyTorchStreamReader& reader_;
  std::shared_ptr<CompilationUnit> unit_;
  std::vector<IValue> constants_;
  Zeros zeros_;
  SourceImporter importer_;
  Collector collector_;
  bool in_constants_ = true;
};

// Functions of Python that a pickle may name beside classes of its own code.
bool is_plain(const std::string& name) {
  static const std::set<std::string> plain = {
      "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_qtensor", "builtins.complex",
      "collections.OrderedDict"};
  const auto begins = [&](const char* prefix) { return name.rfind(prefix, 0) == 0; };
  if (begins("torch.")) {
    const bool is_member = name.find('.', 6) == std::string::npos;
    return is_member || begins("torch.jit._pickle.") || plain.count(name);
  }
  return begins("__torch__") || begins("__main__.") || plain.count(name);
}

}  // namespace

std::vector<std::string> judge(PyTorchStreamReader& reader, const std::vector<std::string>& names) {
  std::set<std::string> found;
  for (const auto& name : names)
    if (!is_plain(name)) found.insert(name);
  if (!found.empty()) return {found.begin(), found.end()};
  FirstLook look(reader);
  try {
    look.run();
  } catch (const CodeInDefault& e) {
    look.found().insert(e.what());
  }
  return {look.found().begin(), look.found().end()};
}

std::vector<std::string> judge(const Module& module) {
  Collector collector;
  collector.type(module.type());
  collector.value(module._ivalue());
  collector.unit(*module._ivalue()->compilation_unit());
  return {collector.found.begin(), collector.found.end()};
}

}  // namespace repsim
