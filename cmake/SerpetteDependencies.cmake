# Installed packages first; where one is missing, FetchContent brings the pinned release.
find_package(LibTorch 2.4 REQUIRED)
find_package(fmt REQUIRED)
find_package(range-v3 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
