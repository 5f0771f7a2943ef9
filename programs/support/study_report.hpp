#pragma once

#include <filesystem>
#include <span>

#include "serpette_report/report.hpp"

namespace serpette::cli {

/// write_report, compiled once: what stands behind it takes half a minute in every file that calls
/// it.
/// @throws Error  as it does.
ReportResult write_study_report(std::span<const CellRow> cells, const std::filesystem::path& folder,
                                const ReportOptions& options);

}  // namespace serpette::cli
