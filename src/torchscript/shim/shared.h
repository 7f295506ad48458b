// Names of modules that are registered more than once.
#pragma once
#include <torch/script.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace repsim {

// Modules of one class that hold the same tensors, attributes and children by the same names are one, whose
// name is the one that was registered first: an archive keeps them as several. Those whose code differs
// are several, as are two that a trace calls, which share their tensors only.
class SharedNames {
 public:
  explicit SharedNames(const torch::jit::Module& root);

  // The name of a module that holds tensors; `path` of any other.
  const std::string& of(const torch::jit::Module& module, const std::string& path) const;
  bool holds_tensors(const torch::jit::Module& module) const;

  // Whether nothing in the archive tells a module that has the name of another from that.
  bool may_be_several(const torch::jit::Module& module) const;

 private:
  struct Contents {
    std::string text;
    bool has_tensors = false;
  };
  struct Named {
    std::string path;
    torch::jit::Module module;
  };

  Contents note(const torch::jit::Module& module, const std::string& path);
  void settle(const std::vector<Named>& same);

  std::unordered_map<const c10::ivalue::Object*, std::string> names_;
  std::unordered_set<const c10::ivalue::Object*> unsure_;
  std::unordered_map<std::string, std::vector<Named>> alike_;  // by class and contents
};

// A module without tensors that has several names runs under one of them only in a trace: the last
// parent that has it, wherever it was called. Its calls go by the module that calls it.
class CallSites {
 public:
  // Notes, before any name is asked for, that the code of `caller` calls a module.
  void saw(const torch::jit::Module& callee, const std::string& caller);

  // Begins a call of a module's own code.
  void begin(const std::string& path, const torch::jit::Module& module);

  // What a module without tensors is called where the code of `caller` calls it.
  std::string name(const std::string& caller, const torch::jit::Module& callee,
                   const std::string& path);

 private:
  struct Running {
    torch::jit::Module module;
    size_t next = 0;  // the child that a Sequential calls next
  };

  bool stands_for(const torch::jit::Module& child, const torch::jit::Module& callee) const;
  std::string of_sequence(const std::string& caller, Running& running,
                          const torch::jit::Module& callee, const std::string& path) const;
  std::string of_child(const std::string& caller, const torch::jit::Module& parent,
                       const torch::jit::Module& callee, const std::string& path) const;

  std::unordered_map<const c10::ivalue::Object*, std::unordered_set<std::string>> callers_;
  std::unordered_map<std::string, Running> running_;
};

}  // namespace repsim
