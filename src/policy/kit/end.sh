
mv -f "$installer.kept" "$installer"
why=
