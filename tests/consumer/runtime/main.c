// [c]
#include <serpette/runtime.h>
#include <stdio.h>

int main(int argc, char** argv) {
  serpette_detection found[100];
  serpette_runtime* runtime = argc == 3 ? serpette_open(argv[1], 0) : NULL;
  int i, count = runtime != NULL ? serpette_detect_file(runtime, argv[2], 0.25, found, 100) : -1;
  if (count < 0) fprintf(stderr, "%s\n", serpette_error());
  for (i = 0; i < count; ++i)
    printf("%s %.6f at %.3f, %.3f, %.3f x %.3f\n",
           serpette_class_name(runtime, found[i].class_index), found[i].score, found[i].x,
           found[i].y, found[i].width, found[i].height);
  serpette_close(runtime);
  return count < 0 ? 2 : 0;
}
// [c]
