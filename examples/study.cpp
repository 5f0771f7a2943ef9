// All scenarios × runs × ratios, each cell computed once, on one machine or many:
//   study --budget demo --out out/study   450 cells on drawn scenes
//   study … --shard 2/8                   the second eighth of the cells, anywhere
//   study … --collect                     merge what all shards wrote, check it is complete, report
#include "support/study.hpp"

int main(int argc, char** argv) {
  using namespace serpette;
  return cli::run_main([&] {
    cli::StudyProgram program;
    program.title = "Pruning a robust detector: a study";
    program.options.out = "out/study";
    program.options.runs = 10;
    program.data.train = 1000;
    program.data.test = 64;
    std::string shard = "1/1";
    CLI::App app(
        "Runs a study of many cells: kill it anywhere and run it again, it goes on where it was.");
    program.add_to(app);
    app.add_option("--shard", shard,
                   "i/n: only the i-th of n stretches of the cells; shards may share --out")
        ->capture_default_str();
    app.add_flag("--collect", program.options.collect,
                 "Run nothing: merge what is there and check that no cell is missing");
    app.add_flag("--dry-run", program.options.dry_run,
                 "List the cells with an estimate of time and disk, run nothing");
    cli::parse(app, argc, argv);
    char rest = 0;
    auto& o = program.options;
    require(std::sscanf(shard.c_str(), "%d/%d%c", &o.shard, &o.shards, &rest) == 2 &&
                o.shards >= 1 && o.shard >= 1 && o.shard <= o.shards,
            "--shard", "should be i/n with 1 <= i <= n, got \"{}\"", shard);
    require(!o.collect || o.shards == 1, "--collect", "should stand without --shard, got {}",
            shard);
    return program.run();
  });
}
