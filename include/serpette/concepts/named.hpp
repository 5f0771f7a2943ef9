#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "serpette/core/settings.hpp"  // so that every policy can describe its own

/// @namespace serpette::req
/// The atoms of serpette's concepts: one requirement each, named by the word a compiler error
/// shows. Look the word up here or in docs/policies/.
namespace serpette::req {

/// The name belongs to the type: it is static.
template <class P>
concept NamedStatically =
    requires { requires !std::is_member_object_pointer_v<decltype(&P::name)>; };

/// `static constexpr std::string_view name`: the label of the policy in tables and reports, in the
/// paper's words where the paper has some. A name that the compiler does not know is none.
template <class P>
concept Named = NamedStatically<P> && requires {
  { P::name } -> std::convertible_to<std::string_view>;
  typename std::integral_constant<std::size_t, std::string_view(P::name).size()>;
};

/// A policy is a value: it can be copied, and equal settings give equal runs.
template <class P>
concept Value = std::copyable<P>;

}  // namespace serpette::req
