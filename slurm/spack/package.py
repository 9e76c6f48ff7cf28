# A recipe for Spack: the libraries that CMakeLists.txt asks for, in variants with and without CUDA.
from spack.package import *


class Medtok(CMakePackage, CudaPackage):
    """Tokens for medical codes, from their text and their neighbourhood in a knowledge graph; models of health records on them."""

    # The working copy: `spack dev-build medtok@main` in its root.
    version("main")

    depends_on("c", type="build")
    depends_on("cmake@3.20:", type="build")
    depends_on("pkgconfig", type="build")

    depends_on("mpi@3:")
    depends_on("hdf5@1.10: +mpi")
    depends_on("libyaml")
    depends_on("xxhash")
    depends_on("utf8proc")
    depends_on("jansson")
    depends_on("pcre2")
    depends_on("openssl")
    depends_on("zlib-api")
    depends_on("openblas threads=none")
    depends_on("isa-l")
    depends_on("onednn@2")
    depends_on("python", type="run")
    depends_on("py-pyarrow", type="run")
    depends_on("gnuplot", type="run")
    depends_on("cuda@12:", when="+cuda")

    def cmake_args(self):
        architectures = self.spec.variants["cuda_arch"].value
        arguments = [self.define("MEDTOK_TESTS", False), self.define_from_variant("MEDTOK_CUDA", "cuda")]
        if self.spec.satisfies("+cuda") and architectures != ("none",):
            arguments.append(self.define("CMAKE_CUDA_ARCHITECTURES", ";".join(architectures)))
        return arguments
