// Reads a compose file as `docker compose config` does, by the same library and with its checks, where no Docker
// is: interpolation, the schema, names that must exist, and cycles. Prints the result as JSON.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	environment := flag.String("env-file", "", "file of the variables; the process's own win")
	profiles := flag.String("profiles", "", "profiles, separated by commas")
	flag.Parse()
	chosen := []string{}
	if *profiles != "" {
		chosen = strings.Split(*profiles, ",")
	}
	files := []string{}
	if *environment != "" {
		files = append(files, *environment)
	}
	options, err := cli.NewProjectOptions(
		flag.Args(), cli.WithOsEnv, cli.WithEnvFiles(files...), cli.WithDotEnv, cli.WithProfiles(chosen),
		cli.WithResolvedPaths(true), cli.WithNormalization(true), cli.WithConsistency(true),
	)
	if err == nil {
		err = show(options)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func show(options *cli.ProjectOptions) error {
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}
