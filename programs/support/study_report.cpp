#include "support/study_report.hpp"

namespace serpette::cli {

ReportResult write_study_report(std::span<const CellRow> cells, const std::filesystem::path& folder,
                                const ReportOptions& options) {
  return write_report(cells, folder, options);
}

}  // namespace serpette::cli
