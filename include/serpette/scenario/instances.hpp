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

#define SERPETTE_RUN_CELL(scenario)                                                              \
  template serpette::CellResult<serpette::Yolov3> serpette::run_cell(                            \
      const scenario&,                                                                           \
      const serpette::Experiment<serpette::Yolov3, serpette::CocoFolder, serpette::CocoFolder>&, \
      const serpette::Store&, const serpette::CellId&, serpette::Progress&)

#ifdef SERPETTE_INSTANCE
SERPETTE_RUN_CELL(serpette::SERPETTE_INSTANCE);
#else
extern SERPETTE_RUN_CELL(serpette::UnstructuredDeepLift);
extern SERPETTE_RUN_CELL(serpette::UnstructuredHydra);
extern SERPETTE_RUN_CELL(serpette::StructuredDeepLift);
extern SERPETTE_RUN_CELL(serpette::StructuredHydra);
extern SERPETTE_RUN_CELL(serpette::UnstructuredDeepLiftGreyscale);
extern SERPETTE_RUN_CELL(serpette::StructuredDeepLiftGreyscale);
#endif
