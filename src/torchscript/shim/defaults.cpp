#include "defaults.h"

#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/tree_views.h>

#include <vector>

namespace repsim {

using namespace torch::jit;

namespace {

constexpr const char* kWhat = "code that computes a default value";

// Calls that only say of which type a value is.
bool is_of_type(const Apply& apply) {
  const auto callee = apply.callee();
  if (callee.kind() == TK_VAR) {
    const auto name = Var(callee).name().name();
    return name == "annotate" || name == "uninitialized";
  }
  if (callee.kind() != '.') return false;
  const Select select(callee);
  return select.value().kind() == TK_VAR && Var(select.value()).name().name() == "torch" &&
         select.selector().name() == "device";
}

bool is_plain(const TreeRef& tree) {
  switch (tree->kind()) {
    case TK_CONST:
    case TK_STRINGLITERAL:
    case TK_TRUE:
    case TK_FALSE:
    case TK_NONE:
    case TK_VAR: return true;
    case TK_UNARY_MINUS: return tree->tree(0)->kind() == TK_CONST;
    case '.': return is_plain(tree->tree(0));
    case TK_LIST_LITERAL:
    case TK_TUPLE_LITERAL:
    case TK_DICT_LITERAL:
    case TK_LIST:
    case TK_OPTION: break;
    case TK_APPLY: {
      const Apply apply{tree};
      if (!is_of_type(apply) || apply.attributes().size() != 0) return false;
      // The type of `annotate`.
      bool is_first = apply.callee().kind() == TK_VAR;
      for (const auto& input : apply.inputs()) {
        if (!is_first && !is_plain(input.tree())) return false;
        is_first = false;
      }
      return true;
    }
    default: return false;
  }
  for (const auto& inner : tree->trees())
    if (!is_plain(inner)) return false;
  return true;
}

void check(const TreeRef& tree) {
  if (tree->kind() == TK_PARAM) {
    const auto value = Param(tree).defaultValue();
    if (value.present() && !is_plain(value.get().tree())) throw CodeInDefault(kWhat);
  }
  if (tree->kind() != TK_CLASS_DEF) return;
  const ClassDef owner{tree};
  const bool is_tuple = owner.superclass().present() && owner.superclass().get().kind() == TK_VAR &&
                        Var(owner.superclass().get()).name().name() == "NamedTuple";
  for (const auto& statement : owner.body()) {
    if (statement.kind() != TK_ASSIGN) continue;
    const Assign assign{statement};
    if (!assign.rhs().present()) continue;
    const bool is_annotation = assign.lhs().kind() == TK_SUBSCRIPT;
    if (!is_annotation && !is_plain(assign.rhs().get().tree())) throw CodeInDefault(kWhat);
    // For a named tuple libtorch computes the type.
    if (is_tuple && assign.type().present() && !is_plain(assign.type().get().tree()))
      throw CodeInDefault(kWhat);
  }
}

void check_all(const TreeRef& root) {
  std::vector<TreeRef> left = {root};
  while (!left.empty()) {
    const auto tree = left.back();
    left.pop_back();
    check(tree);
    if (tree->isAtom()) continue;
    for (const auto& inner : tree->trees()) left.push_back(inner);
  }
}

}  // namespace

// Goes through a record as the importer does.
void refuse_code_in_defaults(const std::shared_ptr<Source>& source) {
  Parser parser(source);
  auto& lexer = parser.lexer();
  if (lexer.cur().kind == TK_IDENT && lexer.cur().text() == "op_version_set") {
    lexer.next();
    lexer.expect('=');
    lexer.expect(TK_NUMBER);
    lexer.expect(TK_NEWLINE);
  }
  while (lexer.cur().kind != TK_EOF) {
    while (lexer.nextIf(TK_IMPORT)) {
      while (lexer.cur().kind != TK_NEWLINE) {
        TORCH_CHECK(lexer.cur().kind != TK_EOF, "its code ends within an import");
        lexer.next();
      }
      lexer.expect(TK_NEWLINE);
    }
    const bool is_class = lexer.cur().kind == TK_CLASS_DEF;
    TORCH_CHECK(is_class || lexer.cur().kind == TK_DEF, "its code holds more than definitions");
    check_all(is_class ? parser.parseClass() : parser.parseFunction(/*is_method=*/false));
  }
}

}  // namespace repsim
