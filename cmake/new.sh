# Sourced by ./run: a policy of one's own from the templates of share/new.

# new KIND NAME [FOLDER]: header, law test, program, page and CMakeLists.txt of a policy, in a folder that builds alone.
new() {
  local kind=${1:-} name=${2:-} folder=${3:-mine/${2:-}} templates=share/new
  local kinds='score granularity attack color objective' role concept scenario lawfile what formula prefix setting
  [[ " $kinds " == *" $kind "* && -n $kind ]] || die "new: KIND should be one of $kinds, got \"$kind\""
  [[ $name =~ ^[a-z][a-z0-9]*(_[a-z0-9]+)*$ ]] || die "new: NAME should be in snake_case, such as edge_aware, got \"$name\""
  [[ ! -e $folder ]] || die "new: $folder should be a new folder, got one that is there"
  local type label
  type=$(sed -E 's/(^|_)([a-z0-9])/\U\2/g' <<<"$name")
  label=$(sed -E 's/_/ /g; s/^./\U&/' <<<"$name")
  role=$kind lawfile=$kind
  case $kind in
    score)
      concept=ScoreInit lawfile=score_init scenario="$type, serpette::Filter, serpette::Pgd, serpette::Rgb"
      what='which weights matter' formula='s = |w|^power / ‖layer‖' setting='power | 1 | a number above 0 to 10 | Of the magnitude' ;;
    granularity)
      concept=PruneGranularity lawfile=prune_granularity scenario="serpette::Hydra, $type, serpette::Pgd, serpette::Rgb"
      what='what goes as one piece' formula='A piece is one filter; its importance is the mean |score| of its weights.'
      setting="reduce | mean | mean, sum, max or rms | How scores become a filter's importance" ;;
    attack)
      concept=Attack scenario="serpette::Hydra, serpette::Filter, $type, serpette::Rgb"
      what='what the detector is hardened against' formula='x ← Π( x + u + ε · sign ∇L ), u uniform in the ball'
      setting='epsilon | 0.05 | a number from 0 to 1 | Radius of the ball [pixel value]' ;;
    color)
      concept=ColorMode lawfile=color_mode scenario="serpette::Hydra, serpette::Filter, serpette::Pgd, $type"
      what='what the network sees of colour' formula='y = red · R + (1 − red) · (G + B) / 2, on all three channels'
      setting='red | 0.3333333333333333 | a number from 0 to 1 | Share of red' ;;
    objective)
      concept=Objective scenario="serpette::Hydra, serpette::Filter, serpette::Pgd, serpette::Rgb, $type"
      what='what a training step minimises' formula='clean · L(x) + (1 − clean) · L(x + δ)'
      setting='clean | 0.5 | a number from 0 to 1 | Weight of the clean images' ;;
  esac
  mkdir -p "$folder"
  fill() {
    sed -e "s/@name@/$name/g; s/@Name@/$type/g; s/@label@/$label/g; s/@role@/$role/g; s/@concept@/$concept/g" \
      -e "s/@lawfile@/$lawfile/g; s/@scenario@/$scenario/g; s/@what@/$what/g; s~@formula@~$formula~g" \
      -e "s~@settings@~| \`--$role-$setting |~; s~\(| \`--[a-z-]*\) |~\1\` |~" "$1" >"$2"
    say "wrote $2"
  }
  fill "$templates/$kind.hpp.in" "$folder/$name.hpp"
  fill "$templates/${kind}_laws.cpp.in" "$folder/laws.cpp"
  fill "$templates/main.cpp.in" "$folder/main.cpp"
  fill "$templates/page.md.in" "$folder/$name.md"
  fill "$templates/CMakeLists.txt.in" "$folder/CMakeLists.txt"
  say "next: cmake -S $folder -B $folder/build -DCMAKE_PREFIX_PATH=WHERE_SERPETTE_IS_INSTALLED"
}
