package main

import (
	"context"
	"strings"

	"github.com/runstonedb/runstone"
)

// fixed completes an argument that is one of few words.
func fixed(words ...string) completer {
	return func(_ context.Context, _ *runstone.DB, _ []string, prefix string) ([]string, error) {
		var out []string
		for _, w := range words {
			if strings.HasPrefix(w, strings.ToUpper(prefix)) {
				out = append(out, w)
			}
		}
		return out, nil
	}
}

func (a *app) userNames(_ context.Context, _ *runstone.DB, _ []string, prefix string) ([]string, error) {
	users, err := a.users()
	if err != nil {
		return nil, err
	}
	all, err := users.Users()
	var out []string
	for _, u := range all {
		if strings.HasPrefix(u.Name, prefix) {
			out = append(out, u.Name)
		}
	}
	return out, err
}

// tokenIDs offers the tokens of the user that is named before.
func (a *app) tokenIDs(_ context.Context, _ *runstone.DB, args []string, prefix string) ([]string, error) {
	users, err := a.users()
	if err != nil {
		return nil, err
	}
	u, err := users.User(args[0])
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range u.Tokens() {
		if strings.HasPrefix(t.ID, prefix) {
			out = append(out, t.ID+"\t"+t.Note)
		}
	}
	return out, nil
}
