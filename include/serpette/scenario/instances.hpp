#pragma once

/// @file
/// Promises that the shipped scenarios on Yolov3 and CocoFolder are compiled in the library
/// `serpette::instances`, so that programs which link it compile in seconds. Define
/// SERPETTE_INSTANCE to a scenario to be that library.

#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/scenario/paper.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/store.hpp"

#define SERPETTE_EXPERIMENT \
  serpette::Experiment<serpette::Yolov3, serpette::CocoFolder, serpette::CocoFolder>
#define SERPETTE_CELL(prefix, scenario)                                                        \
  prefix template serpette::TrainedCell<serpette::Yolov3> serpette::train_cell(                \
      const scenario&, const SERPETTE_EXPERIMENT&, const serpette::Store&,                     \
      const serpette::CellId&, serpette::Progress&);                                           \
  prefix template serpette::MeasuredCell serpette::measure_cell(                               \
      const scenario&, const SERPETTE_EXPERIMENT&, serpette::Yolov3&, const serpette::CellId&, \
      serpette::Progress&);                                                                    \
  prefix template void serpette::prepare_run(const scenario&, const SERPETTE_EXPERIMENT&,      \
                                             const serpette::Store&, const serpette::CellId&,  \
                                             serpette::Progress&)

#ifdef SERPETTE_INSTANCE
SERPETTE_CELL(, serpette::SERPETTE_INSTANCE);
#else
SERPETTE_CELL(extern, serpette::UnstructuredDeepLift);
SERPETTE_CELL(extern, serpette::UnstructuredHydra);
SERPETTE_CELL(extern, serpette::StructuredDeepLift);
SERPETTE_CELL(extern, serpette::StructuredHydra);
SERPETTE_CELL(extern, serpette::UnstructuredDeepLiftGreyscale);
SERPETTE_CELL(extern, serpette::StructuredDeepLiftGreyscale);
#endif
