#pragma once

#include <string>
#include <string_view>

#include "serpette/concepts/dataset.hpp"
#include "serpette/concepts/detector.hpp"
#include "serpette/core/fingerprint.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/method/state.hpp"

/// @file
/// What results depend on, taken from the things themselves: two networks, or two data sets, that
/// differ have different identities, whatever files they came from.

namespace serpette {

/// A network's layers and tensors: 16 hex digits.
template <Detector D>
std::string identity_of(const D& detector) {
  Fingerprint print;
  const Graph& graph = detector.graph();
  print.add_text(settings_text(graph.input));
  for (const auto& layer : graph.layers)
    print.add_text(settings_text(layer.operation)).add_text(settings_text(layer.inputs));
  for (const auto& tensor : tensors_of(detector)) {
    const auto values = tensor.cpu().contiguous();
    print.add_text({static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
  }
  return print.str();
}

/// The ground truth of a data set, and what else of it says `identity()` if it has one (the files
/// of its pictures): 16 hex digits. Behind them `views()` if it has some (the training views that
/// are not the default), in parentheses.
template <Dataset Data>
std::string identity_of(const Data& data) {
  Fingerprint print;
  const Instances& all = data.instances();
  for (const auto& category : all.categories) print.add(category.id).add_text(category.name);
  for (const auto& image : all.images)
    print.add(image.id).add_text(image.file_name).add(image.width).add(image.height);
  for (const auto& a : all.annotations)
    print.add(a.id)
        .add(a.image_id)
        .add(a.category)
        .add(a.box.x)
        .add(a.box.y)
        .add(a.box.width)
        .add(a.box.height)
        .add(a.area)
        .add(a.is_crowd);
  if constexpr (requires { std::string(data.identity()); }) print.add_text(data.identity());
  auto text = print.str();
  if constexpr (requires { std::string(data.views()); })
    if (const std::string views = data.views(); !views.empty()) text += " (" + views + ")";
  return text;
}

/// How many images of a data set turned out unreadable so far and are left out; 0 for one that
/// keeps no count.
template <Dataset Data>
std::int64_t unreadable_images(const Data& data) {
  if constexpr (requires { data.unreadable().size(); })
    return static_cast<std::int64_t>(data.unreadable().size());
  else
    return 0;
}

}  // namespace serpette
