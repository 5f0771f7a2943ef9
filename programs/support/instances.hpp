#pragma once

/// @file
/// Promises that the shipped scenarios on Yolov3 and CocoFolder are compiled in the library
/// `serpette_instances`, so that our programs, which link it, compile in seconds. Define
/// SERPETTE_INSTANCE to a scenario to be that library. CMake reads the list below; that it has all
/// types of the registry is checked here.

#include <boost/hana/for_each.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/type.hpp>

#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/scenario/registry.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/store.hpp"

// clang-format off
#define SERPETTE_INSTANCES(one) \
  one(UnstructuredDeepLift) \
  one(UnstructuredHydra) \
  one(StructuredDeepLift) \
  one(StructuredHydra) \
  one(UnstructuredDeepLiftGreyscale) \
  one(KernelDeepLift) \
  one(KernelHydra) \
  one(UnstructuredMagnitude) \
  one(StructuredDeepLiftGreyscale)
// clang-format on

namespace serpette::detail {
#define SERPETTE_IS_ONE(scenario) found = found || std::same_as<S, scenario>;
/// Whether every scenario of the registry is in the list.
consteval bool all_are_instances() {
  bool all = true;
  boost::hana::for_each(kScenarios, [&]<class S>(const Registered<S>&) {
    bool found = false;
    SERPETTE_INSTANCES(SERPETTE_IS_ONE)
    all = all && found;
  });
  return all;
}
#undef SERPETTE_IS_ONE
static_assert(all_are_instances(), "SERPETTE_INSTANCES should have every scenario of the registry");
}  // namespace serpette::detail

#define SERPETTE_EXPERIMENT \
  serpette::Experiment<serpette::Yolov3, serpette::CocoFolder, serpette::CocoFolder>
#define SERPETTE_CELL(prefix, scenario)                                                          \
  prefix template serpette::TrainedCell<serpette::Yolov3> serpette::train_cell(                  \
      const serpette::scenario&, const SERPETTE_EXPERIMENT&, const serpette::Store&,             \
      const serpette::CellId&, serpette::Progress&);                                             \
  prefix template serpette::MeasuredCell serpette::measure_cell(                                 \
      const serpette::scenario&, const SERPETTE_EXPERIMENT&, serpette::Yolov3&,                  \
      const serpette::CellId&, serpette::Progress&);                                             \
  prefix template void serpette::prepare_run(const serpette::scenario&,                          \
                                             const SERPETTE_EXPERIMENT&, const serpette::Store&, \
                                             const serpette::CellId&, serpette::Progress&);

#ifdef SERPETTE_INSTANCE
SERPETTE_CELL(, SERPETTE_INSTANCE)
#else
#define SERPETTE_EXTERN_CELL(scenario) SERPETTE_CELL(extern, scenario)
SERPETTE_INSTANCES(SERPETTE_EXTERN_CELL)
#undef SERPETTE_EXTERN_CELL
#endif
