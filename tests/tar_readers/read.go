// Lists tars as Go's archive/tar sees them: one line a member, fields in hexadecimal digits.
//
// usage: read MOST_BYTES TAR...
//
// A line `=` begins each tar. Of files up to MOST_BYTES the content is read. A line `!` has an error.
package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
)

var kinds = map[byte]string{
	tar.TypeReg: "file", tar.TypeRegA: "file", tar.TypeGNUSparse: "file", tar.TypeDir: "dir",
	tar.TypeSymlink: "symlink", tar.TypeLink: "link", tar.TypeChar: "chr", tar.TypeBlock: "blk",
	tar.TypeFifo: "fifo",
}

func list(path string, most int64, out io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		kind, digest, size := kinds[header.Typeflag], "-", int64(0)
		if kind == "file" {
			size = header.Size
			if size <= most {
				hasher := sha1.New()
				if _, err := io.Copy(hasher, reader); err != nil {
					return err
				}
				digest = hex.EncodeToString(hasher.Sum(nil))
			}
		}
		name, link := hex.EncodeToString([]byte(header.Name)), hex.EncodeToString([]byte(header.Linkname))
		fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%s\n", name, kind, size, digest, link)
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	most, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	for _, path := range os.Args[2:] {
		fmt.Fprintln(out, "=")
		if err := list(path, most, out); err != nil {
			fmt.Fprintf(out, "!\t%v\n", err)
		}
	}
}
